#!/usr/bin/env bash
# The logs of a container.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#logs -- [-f] [--since MINUTES] [--env NAME] [app | valkey | postgres]

Prints what a container (app unless given) wrote to CloudWatch, in UTC.

  -f, --follow      goes on until Ctrl-C
  --since MINUTES   how far back; 10 unless given
  --env NAME        the environment; production unless given

Ends with 0: printed. 1: the logs cannot be read. 2: wrong command line. 3: something is missing. 130: interrupted.
end
}

container=app follow=no since=10

own_option() { # ARGUMENT...
  case $1 in
    -f | --follow) follow=yes ;;
    --since) since=$(number_of "$@") used=2 ;;
    app | valkey | postgres) container=$1 ;;
    *) usage_error "there is no option or container $1" ;;
  esac
}

parse_options "$@"
check_surroundings aws git jq
end_on_problems

: >"$scratch/shown"
start=$((($(date +%s) - since * 60) * 1000))
print_log "$container" "$start"
if [ "$follow" = no ] && [ ! -s "$scratch/shown" ]; then
  say "$container wrote nothing in the last $since minutes" >&2
fi
trap 'exit "$exit_interrupted"' INT TERM
while [ "$follow" = yes ]; do
  sleep "$poll_seconds"
  # Lines arrive out of order and late: look back a minute, and print each once.
  now=$((($(date +%s) - 60) * 1000))
  print_log "$container" $((now > start ? now : start))
done
