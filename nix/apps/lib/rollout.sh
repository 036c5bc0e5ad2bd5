# shellcheck shell=bash
# Follows a rollout until it is known how it ended. Terraform cannot: a service that ECS rolled back is steady again.

readonly poll_seconds=2 # far below what ECS throttles (20 calls a second)

ecs_says() { jq -r -L "$lib" "include \"rollout\"; $1" "${@:2}"; } # FILTER [JQ OPTION]...

describe_service() { aws ecs describe-services --cluster "$full_name" --services "$full_name" --output json; }

# Prints events as they happen, and ends when the requested task definition runs, or will not. Returns 1 with the reason
# told if it does not run.
follow_rollout() { # TASK_DEFINITION DIGEST MINUTES
  local requested=$1 digest=$2 deadline=$((SECONDS + $3 * 60)) answer verdict state said='' seen=false misses=0
  while true; do
    if answer=$(describe_service 2>"$scratch/ecs"); then
      misses=0
      print_new_events <<<"$answer"
      verdict=$(ecs_says 'verdict($requested; $seen == "true") | .state, .text' --arg requested "$requested" --arg seen "$seen" <<<"$answer")
      state=${verdict%%$'\n'*}
      [ "$said" = "$verdict" ] || [ "$state" != waiting ] || line "$(date -u +%H:%M:%S)  ${verdict#*$'\n'}"
      said=$verdict
      [ "$(ecs_says 'primary.taskDefinition' <<<"$answer")" != "$requested" ] || seen=true
      case $state in
        done) if check_running_digest "$requested" "$digest" "$answer"; then return 0; fi ;;
        failed | replaced)
          line "${verdict#*$'\n'}"
          [ "$state" = replaced ] || explain_failure "$requested"
          return 1
          ;;
      esac
      [ "$wrong_digest" = no ] || return 1
    else
      # An answer that fails once says nothing about the rollout.
      misses=$((misses + 1))
      [ "$misses" -lt 5 ] || die "$exit_failed" "ECS does not answer: $(last_line <"$scratch/ecs")" "the rollout goes on: nix run .#status"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      line "not done after $3 minutes, and ECS goes on trying"
      explain_failure "$requested"
      return 1
    fi
    sleep "$poll_seconds"
  done
}

# Called before something is changed, so that what ECS said before is not told again. By the events' ids and not by the
# time: the clocks of two machines differ.
remember_events() {
  { describe_service 2>/dev/null || true; } | ecs_says '.services[0].events // [] | .[].id' >"$scratch/seen-events"
}

# Those not yet printed; the answer is on standard input.
print_new_events() {
  local id text
  while read -r id text; do
    ! grep -qxF "$id" "$scratch/seen-events" || continue
    printf '%s\n' "$id" >>"$scratch/seen-events"
    line "$text"
  done < <(ecs_says told)
}

list_tasks() { # RUNNING or STOPPED
  local arns
  mapfile -t arns < <(aws ecs list-tasks --cluster "$full_name" --service-name "$full_name" --desired-status "$1" \
    --output json | jq -r '.taskArns[]')
  if [ "${#arns[@]}" = 0 ]; then echo '{"tasks":[]}'; else
    aws ecs describe-tasks --cluster "$full_name" --tasks "${arns[@]:0:100}" --output json
  fi
}

# Complete is what ECS says; that the image is the one that was pushed is looked at. Returns 1 as long as too few tasks
# are seen, and sets wrong_digest when one runs something else.
wrong_digest=no
check_running_digest() { # TASK_DEFINITION DIGEST ANSWER
  local desired running wrong
  desired=$(ecs_says 'primary.desiredCount' <<<"$3")
  if [ "$desired" = 0 ]; then
    line "the service is asleep: no task runs, nix run .#wake starts it"
    return 0
  fi
  list_tasks RUNNING >"$scratch/tasks"
  running=$(ecs_says 'running($requested)' --arg requested "$1" <"$scratch/tasks")
  wrong=$(ecs_says 'wrong_digests($requested; $digest)' --arg requested "$1" --arg digest "$2" <"$scratch/tasks")
  if [ -n "$wrong" ]; then
    line "a task runs $wrong, and $2 was deployed"
    wrong_digest=yes
    return 1
  fi
  [ "$running" -ge "$desired" ] || return 1
  line "$running of $desired tasks run $(short_digest "$2"), as asked for"
}

# The tasks of this release that stopped last, why, and the last lines of the log that tells most.
explain_failure() { # TASK_DEFINITION
  local task container
  list_tasks STOPPED >"$scratch/tasks" || return 0
  task=$(jq -c --arg requested "$1" '[.tasks[] | select(.taskDefinitionArn == $requested)] | sort_by(.stoppedAt // .createdAt // 0)[-1] // empty' "$scratch/tasks")
  if [ -z "$task" ]; then
    line "no task of it has stopped: it runs, and the load balancer's health check of /health does not pass"
    return
  fi
  ecs_says why_stopped <<<"$task" | indent
  container=$(ecs_says culprit <<<"$task")
  line "the last lines of $container:"
  last_log_lines "$container" "$(jq -r '.taskArn | split("/")[-1]' <<<"$task")" | sed 's/^/    /'
}
