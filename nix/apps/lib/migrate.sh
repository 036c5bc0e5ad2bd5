# shellcheck shell=bash
# The schema first, by a task of its own, where the database outlives a task (RDS). The version before serves on meanwhile,
# and however long it takes, no task of the service is replaced for it: ECS would end one that is not healthy for ten minutes.

# Whether this plan brings another app than what the service runs to a database that is there. Reads the plan that describe_plan has written.
migrates_first() { # DIGESTS
  local running
  running=$(describe_service 2>/dev/null | running_release) || running=''
  [ -n "$running" ] && [ "$(release_of "${running% *}" | jq -r .images.app)" != "$(jq -r .app <<<"$1")" ] &&
    jq -e 'any(.resource_changes[]; .type == "aws_db_instance" and (.change.actions | index("create") | not))' "$scratch/plan.json" >/dev/null
}

# Runs `migrate` of the new app and plans the rest. Ends the command if it fails: the service was not changed then.
migrate_first() { # DIGESTS
  local definition
  heading Migration
  trap 'interrupted "before the service was changed; a migration that has begun goes on in AWS"' INT TERM
  plan_stack "$1" -target=aws_ecs_task_definition.app
  if [ "$changed" = yes ]; then
    apply_plan || end_on_terraform_error "The new task definition could not be registered"
    forget_outputs
  fi
  definition=$(stack_output .deployment.value.task_definition)
  run_migration "$definition"
  plan_stack "$1"
  # --yes or the answer before was for what this plan did then. If it loses data now, that is asked for again.
  confirm_plan yes
}

run_migration() { # TASK_DEFINITION
  local network started task answer
  network=$(describe_service | jq -c '.services[0].networkConfiguration')
  started=$(aws ecs run-task --cluster "$full_name" --task-definition "$1" --launch-type FARGATE --count 1 --started-by migrate \
    --network-configuration "$network" --overrides '{"containerOverrides":[{"name":"app","command":["migrate"]}]}' --output json 2>"$scratch/ecs") ||
    die "$exit_failed" "the migration could not be started: $(last_line <"$scratch/ecs")" "the service was not changed"
  task=$(jq -r '.tasks[0].taskArn // empty' <<<"$started")
  [ -n "$task" ] || die "$exit_failed" "the migration could not be started: $(jq -r '.failures[0].reason // "no reason given"' <<<"$started")" \
    "the service was not changed; run it again"
  line "$(revision_of "$1") brings the schema up to date, as task ${task##*/}"
  while true; do
    # An answer that fails once says nothing about the task.
    answer=$(aws ecs describe-tasks --cluster "$full_name" --tasks "$task" --output json 2>/dev/null) || answer='{}'
    [ "$(jq -r '.tasks[0].lastStatus // empty' <<<"$answer")" != STOPPED ] || break
    sleep "$poll_seconds"
  done
  [ "$(jq -r '.tasks[0].containers[] | select(.name == "app") | .exitCode // empty' <<<"$answer")" != 0 ] || {
    line "done"
    return
  }
  jq '.tasks[0]' <<<"$answer" | ecs_says why_stopped | indent
  line "the last lines of app:"
  last_log_lines app "${task##*/}" | sed 's/^/    /'
  say
  die "$exit_failed" "the schema could not be brought up to date" "the service was not changed, and its version serves on"
}
