#!/usr/bin/env bash
# Starts the tasks of an environment that was put to sleep.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#wake -- [--env NAME] [--url URL] [--timeout MIN]

Starts the tasks of an environment (production unless given) that nix run .#sleep stopped, waits until they are healthy,
and looks whether the service answers.

Ends with 0: it answers. 1: the tasks do not start. 2: wrong command line. 3: something is missing. 6: it does not answer as
it should. 130: interrupted.
end
}

own_option() { rollout_option "$@"; }

parse_options "$@"
check_surroundings aws curl git jq terraform
end_on_problems

say_where
prepare_terraform
remember_events
set_desired_count "$(least_tasks)"
suspend_autoscaling false
release=$(release_of "$(describe_service | ecs_says primary.taskDefinition)")
heading Start
trap 'interrupted "while following: the tasks go on starting"' INT TERM
follow_rollout "$(jq -r .task_definition <<<"$release")" "$(jq -r .images.app <<<"$release")" "$minutes" ||
  die "$exit_failed" "$environment does not wake up"
look_from_outside
heading "$environment is awake"
