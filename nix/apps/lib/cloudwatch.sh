# shellcheck shell=bash
# The containers' logs in CloudWatch: a group for each container, a stream for each task.

log_group() { printf '/%s/%s/%s\n' "$name" "$environment" "$1"; } # CONTAINER

last_log_lines() { # CONTAINER TASK
  aws logs get-log-events --log-group-name "$(log_group "$1")" --log-stream-name "task/$1/$2" --limit 15 --output json 2>/dev/null |
    jq -r '.events[].message' | grep . || echo "(it wrote none)"
}

# Prints what was written since a moment (milliseconds), once each by the ids in $scratch/shown.
print_log() { # CONTAINER SINCE
  local id text
  while IFS=$'\t' read -r id text; do
    ! grep -qxF "$id" "$scratch/shown" || continue
    printf '%s\n' "$id" >>"$scratch/shown"
    printf '%s\n' "$text"
  done < <(aws logs filter-log-events --log-group-name "$(log_group "$1")" --start-time "$2" --output json |
    jq -r '.events[] | "\(.eventId)\t\(.timestamp / 1000 | strftime("%Y-%m-%d %H:%M:%S"))  \(.message)"')
}
