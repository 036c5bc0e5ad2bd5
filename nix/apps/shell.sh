#!/usr/bin/env bash
# A shell, or another program, in a container that runs.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#shell -- [--env NAME] [CONTAINER [PROGRAM]]

Opens a program in a running task by ECS Exec: in postgres (unless given) a shell, in valkey its client. The image of the
app holds no shell; name the program that it shall run, such as: app "/bin/slipway --help". Needs exec = true in the
environment's file, followed by a deploy; whoever can do this reads every secret of the task, so switch it off again.

Ends as the program does. 2: wrong command line. 3: it is not switched on, nothing runs, or something is missing.
end
}

words=()
own_option() { # ARGUMENT...
  case $1 in
    -*) no_such_option "$1" ;;
    *) words+=("$1") ;;
  esac
}

parse_options "$@"
container=${words[0]:-postgres} program=${words[1]-}
case $container in
  postgres) program=${program:-/bin/sh} ;;
  valkey) program=${program:-/bin/valkey-cli} ;;
  app) [ -n "$program" ] || usage_error "the image of the app holds no shell: name a program" ;;
  *) usage_error "there is no container $container: they are app, valkey and postgres" ;;
esac
check_surroundings aws git jq session-manager-plugin
end_on_problems

[ "$(describe_service | jq -r '.services[0].enableExecuteCommand')" = true ] ||
  problem "ECS Exec is switched off in $environment" "set exec = true in ${settings#"$root/"} and deploy; afterwards set it back"
task=$(list_tasks RUNNING | jq -r --arg container "$container" \
  '[.tasks[] | select(any(.containers[]; .name == $container)) | .taskArn][0] // empty')
[ -n "$task" ] || problem "no task with a container $container runs in $environment" "see nix run .#status"
end_on_problems
rm -rf "$scratch"
exec aws ecs execute-command --cluster "$full_name" --task "$task" --container "$container" --interactive --command "$program"
