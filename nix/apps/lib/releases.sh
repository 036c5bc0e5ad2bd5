# shellcheck shell=bash
# Releases, as ECS itself remembers them.
#
# A release is a revision of the environment's task definition. Terraform leaves them registered (skip_destroy), so that
# they outlive every deploy and even the environment, cost nothing, and say themselves when and by whom they were made and
# which digests they run. Two things are added as tags, which Terraform is told to leave alone (ignore_tags):
#   release:commit     what the app was built from
#   release:completed  when it had taken over; a revision without it never did, and is not rolled back to

# The tags of a revision that has just been registered. A release without its note is still deployed.
note_release() { # TASK_DEFINITION KEY VALUE
  aws ecs tag-resource --resource-arn "$1" --tags "key=release:$2,value=$3" >/dev/null 2>"$scratch/note" ||
    line "the release could not be noted: $(last_line <"$scratch/note")"
}

# The newest releases, one a line as JSON, the newest first.
list_releases() { # HOW_MANY
  local arns arn
  mapfile -t arns < <(aws ecs list-task-definitions --family-prefix "$full_name" --sort DESC --max-items "$1" --output json |
    jq -r --arg family "$full_name" '.taskDefinitionArns[] | select(split("/")[-1] | startswith($family + ":"))')
  for arn in "${arns[@]}"; do
    release_of "$arn"
  done
}

release_of() { # TASK_DEFINITION
  aws ecs describe-task-definition --task-definition "$1" --include TAGS --output json | ecs_says '
    (.tags // [] | map({ (.key): .value }) | add // {}) as $tags
    | .taskDefinition | {
      task_definition: .taskDefinitionArn,
      registered: (.registeredAt // 0 | moment),
      by: (.registeredBy // ""),
      commit: ($tags["release:commit"] // "unknown"),
      completed: ($tags["release:completed"] // ""),
      images: ([.containerDefinitions[] | select(.image | contains("@")) | { (.name): (.image | split("@")[1]) }] | add // {})
    } | tojson'
}

# The service's task definitions: what runs (PRIMARY) and how far it is; empty without a service.
running_release() { # the answer of describe_service on standard input
  ecs_says 'primary | if . then "\(.taskDefinition) \(.rolloutState // "COMPLETED")" else empty end'
}

# Of releases (one a line as JSON), the newest that took over and runs other images than these.
previous_release() { # IMAGES
  jq -nc --argjson current "$1" 'first(inputs | select(.completed != "" and .images != $current)) // empty'
}

# Of releases, the newest whose app's digest or commit begins so.
named_release() { # WORD
  jq -nc --arg word "${1#sha256:}" 'first(inputs | select(((.images.app // "") | startswith("sha256:" + $word)) or (.commit | startswith($word)))) // empty'
}
