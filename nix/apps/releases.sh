#!/usr/bin/env bash
# Which releases an environment had.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#releases -- [--env NAME] [--count NUMBER]

Lists the environment's releases, the newest first: when, by whom, from which commit, which digest of the app, and whether
it took over. It asks ECS, which keeps every revision of the task definition.

  --env NAME       the environment; production unless given
  --count NUMBER   how many; 10 unless given

Ends with 0: listed. 2: wrong command line. 3: something is missing.
end
}

count=10
own_option() { # ARGUMENT...
  case $1 in
    --count) count=$(number_of "$@") used=2 ;;
    *) no_such_option "$1" ;;
  esac
}

parse_options "$@"
check_surroundings aws git jq
end_on_problems

running=$(describe_service 2>/dev/null | running_release) || running=''
list_releases "$count" >"$scratch/releases"
[ -s "$scratch/releases" ] || { say "$environment has had no release yet" && exit; }
format='%-16s  %-13s  %-12s  %-22s  %s\n'
# shellcheck disable=SC2059 # the format stands in the line above
printf "$format" "TIME (UTC)" COMMIT DIGEST BY STATE
while IFS=$'\t' read -r time commit digest by state; do
  # shellcheck disable=SC2059
  printf "$format" "$time" "$(short_commit "$commit")" "$(short_digest "$digest")" "$(principal "$by" | cut -c1-22)" "$state"
done < <(jq -r --arg running "$running" '[
    (.registered | strftime("%Y-%m-%d %H:%M")), (.commit | if . == "" then "-" else . end), (.images.app // "-"),
    (.by | if . == "" then "-" else . end),
    (if .task_definition == ($running | split(" ")[0]) then (if ($running | endswith(" COMPLETED")) then "runs" else "is rolling out" end)
      elif .completed != "" then "took over" else "never took over" end)
  ] | @tsv' "$scratch/releases")
