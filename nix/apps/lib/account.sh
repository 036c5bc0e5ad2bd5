# shellcheck shell=bash
# What bootstrap asks of GitHub and of AWS beside Terraform.

# OWNER_ID/REPOSITORY_ID, by which GitHub calls a repository that is newer than July 2026; nothing when it does not tell.
github_ids_of() { # OWNER/NAME
  local answer
  answer=$(curl --fail --silent --max-time 20 "${GITHUB_API_URL:-https://api.github.com}/repos/$1" ||
    gh api "repos/$1" 2>/dev/null) || answer='{}'
  jq -r 'if .id then "\(.owner.id)/\(.id)" else "" end' <<<"$answer"
}

# AWS makes these when a service is first used, which RDS then fails once for; and a deploy role need not be able to.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html
make_service_linked_roles() {
  local service answer
  for service in ecs ecs.application-autoscaling elasticache elasticfilesystem elasticloadbalancing rds; do
    answer=$(aws iam create-service-linked-role --aws-service-name "$service.amazonaws.com" --output json 2>&1) ||
      [[ $answer == *"has been taken"* || $answer == *EntityAlreadyExists* ]] ||
      die "$exit_failed" "the role of $service cannot be made: $(last_line <<<"$answer")" "check the permissions of $caller, and run it again"
  done
}
