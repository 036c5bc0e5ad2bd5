# What ECS says about a service (aws ecs describe-services), and what it means for the release that was asked for.

def service: .services[0] // { status: "MISSING", deployments: [], events: [] };
def primary: [service.deployments[] | select(.status == "PRIMARY")][0];
def revision: if . == null then "none" else split("/")[-1] end;

# One object: state is done, waiting, failed or replaced; text says more.
#   $requested  the task definition that was asked for
#   $seen       whether it was the primary deployment in an earlier answer
def verdict($requested; $seen):
  service as $service | primary as $primary
  | [$service.deployments[] | select(.taskDefinition == $requested)] as $own
  | ([$own[] | select(.rolloutState == "FAILED")][0]) as $broken
  | if $service.status != "ACTIVE" then
      { state: "failed", text: "the service is \($service.status | ascii_downcase)" }
    elif $broken then
      { state: "failed", text: "ECS gave up on it: \($broken.rolloutStateReason // "no reason given" | rtrimstr("."))\(
        if $primary.taskDefinition != $requested then "; it runs \($primary.taskDefinition | revision) again" else "" end)" }
    elif $primary.taskDefinition == $requested then
      if $primary.rolloutState == "COMPLETED" then { state: "done", text: "\($primary.runningCount) of \($primary.desiredCount) tasks run" }
      else { state: "waiting", text: "\($primary.runningCount) of \($primary.desiredCount) tasks run\(
        if ($primary.failedTasks // 0) > 0 then ", \($primary.failedTasks) failed" else "" end)" } end
    elif ($primary.rolloutStateReason // "") | test("rolling back|circuit breaker") then
      { state: "failed", text: "ECS rolled it back to \($primary.taskDefinition | revision): \($primary.rolloutStateReason)" }
    elif $seen then { state: "replaced", text: "another deployment took its place: \($primary.taskDefinition | revision)" }
    else { state: "waiting", text: "ECS has not begun yet" } end;

# Seconds since 1970. The AWS CLI writes them so in version 1, and in version 2 as a date with the caller's offset.
def moment:
  if type == "number" then floor
  else capture("^(?<time>[0-9T:-]{19})([.][0-9]+)?(Z|(?<sign>[+-])(?<hours>[0-9]{2}):(?<minutes>[0-9]{2}))$")
    | (.time + "Z" | fromdate) - (if .sign then (.sign + "1" | tonumber) * ((.hours | tonumber) * 3600 + (.minutes | tonumber) * 60) else 0 end)
  end;

# The events, the oldest first, as "ID TIME TEXT". ECS lists the newest first, several in one second.
def told:
  service.events | reverse[]
  | "\(.id) \(.createdAt | moment | strftime("%H:%M:%S"))  \(.message | sub("^\\(service [^)]*\\)(, taskSet [^)]*\\))? *"; ""))";

# Tasks (aws ecs describe-tasks) of a definition: whether all run the image that was pushed.
def wrong_digests($requested; $digest):
  [.tasks[] | select(.taskDefinitionArn == $requested and .lastStatus == "RUNNING")
    | .containers[] | select(.name == "app" and .imageDigest != $digest) | .imageDigest // "an unknown image"] | unique[];
def running($requested): [.tasks[] | select(.taskDefinitionArn == $requested and .lastStatus == "RUNNING")] | length;

# Why a task stopped: its own reason, then each container that did not end well.
def why_stopped:
  "task \(.taskArn | revision) stopped: \(.stoppedReason // "no reason given")",
  (.containers[] | select((.reason // "") != "" or (.exitCode // 0) != 0)
    | "  \(.name)\(if .exitCode then " ended with exit code \(.exitCode)" else "" end)\(if .reason then ": \(.reason)" else "" end)");

# The container whose log tells most: the first that failed, else the app.
def culprit: ([.containers[] | select((.exitCode // 0) != 0) | .name] + ["app"])[0];
