# shellcheck shell=bash
# What bootstrap asks of GitHub and of AWS beside Terraform.

# Without them no workflow of a repository that is newer than July 2026 could take its role.
settle_github_ids() {
  local answer
  [ "$github" != none ] && [ -z "$github_ids" ] || return 0
  answer=$(curl --fail --silent --max-time 20 "${GITHUB_API_URL:-https://api.github.com}/repos/$github" ||
    gh api "repos/$github" 2>/dev/null) || answer='{}'
  github_ids=$(jq -r 'if .id then "\(.owner.id)/\(.id)" else "" end' <<<"$answer")
  [ -n "$github_ids" ] || problem "GitHub does not tell who $github is" \
    "say --github-ids OWNER_ID/REPOSITORY_ID, which are: gh api repos/$github --jq '\"\\(.owner.id)/\\(.id)\"'"
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
