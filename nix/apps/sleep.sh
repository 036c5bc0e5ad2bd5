#!/usr/bin/env bash
# Stops all tasks of an environment, which then no longer cost anything.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#sleep -- [--env NAME] [--yes]

Stops every task of the environment (production unless given) and lets none start until nix run .#wake. Nobody is served.
The data stays, unless the environment has database = "task". The load balancer, RDS and ElastiCache are billed on.

Ends with 0: no task runs. 1: AWS refused, or not confirmed. 2: wrong command line. 3: something is missing.
end
}

own_option() { if [ "$1" = --yes ]; then yes=yes; else no_such_option "$1"; fi; }

parse_options "$@"
check_surroundings aws git jq
end_on_problems

say_where
if [ "$(setting database <"$settings")" = task ]; then line 'database = "task": ALL DATA WILL BE GONE'; fi
[ "$yes" = yes ] || ask_for yes "Nobody will be served by $environment."
suspend_autoscaling true
set_desired_count 0
wait_for_tasks 0
line "no task runs in $environment; nix run .#wake -- --env $environment starts it again"
