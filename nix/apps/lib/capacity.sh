# shellcheck shell=bash
# How many tasks run. Terraform sets the number once and then leaves it to autoscaling, or to sleep and wake.

set_desired_count() { # NUMBER
  local answer
  answer=$(aws ecs update-service --cluster "$full_name" --service "$full_name" --desired-count "$1" --output json 2>&1) ||
    die "$exit_failed" "ECS refused: $(last_line <<<"$answer")"
}

scalable_target() {
  aws application-autoscaling describe-scalable-targets --service-namespace ecs \
    --resource-ids "service/$full_name/$full_name" --output json | jq -c '.ScalableTargets[0] // empty'
}

# capacity.min of the environment. Without autoscaling it is 1 (a validation in variables.tf).
least_tasks() { scalable_target | jq -s '.[0].MinCapacity // 1'; }

# Or autoscaling would start tasks again while the environment sleeps.
suspend_autoscaling() { # true or false
  [ -n "$(scalable_target)" ] || return 0
  aws application-autoscaling register-scalable-target --service-namespace ecs --scalable-dimension ecs:service:DesiredCount \
    --resource-id "service/$full_name/$full_name" --suspended-state \
    "DynamicScalingInSuspended=$1,DynamicScalingOutSuspended=$1,ScheduledScalingSuspended=$1" >/dev/null
}

# A task has as long as stopTimeout says (two minutes at most), after the load balancer has let it go.
wait_for_tasks() { # NUMBER
  local deadline=$((SECONDS + 300))
  until [ "$(describe_service | jq -r '.services[0] | .runningCount + .pendingCount')" = "$1" ]; do
    [ "$SECONDS" -lt "$deadline" ] || die "$exit_failed" "some tasks still run after five minutes" "see nix run .#status"
    sleep "$poll_seconds"
  done
}
