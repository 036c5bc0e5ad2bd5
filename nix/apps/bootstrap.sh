#!/usr/bin/env bash
# What an account needs once: the bucket for the states, the image repositories, and the roles for GitHub.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#bootstrap -- [OPTION]...

Makes what an AWS account needs once, before its first deploy: the bucket for Terraform's states, the repositories of the
images, and the roles by which GitHub Actions plans and deploys. It costs cents. It is safe to run again, such as to add
an environment; its own state is in the bucket that it makes.

  --region NAME         where all of it is; else AWS_REGION, else the region of your profile
  --github OWNER/NAME   the repository whose workflows may deploy; else the one that git calls origin, if it is on GitHub
  --github-ids A/B      the numbers of its owner and of itself, which its tokens hold; else GitHub is asked, which answers
                        for public repositories, and by gh where that is signed in
  --no-github           nobody deploys from GitHub
  --environments LIST   which ones GitHub may deploy, with commas; those of terraform/environments/ and staging,production
                        unless given
  --zone ID             the Route 53 zone whose records those workflows may change; else the one that a file of
                        terraform/environments/ names
  --shared-provider     the account has an OIDC provider for GitHub already, which something else made; it has one at most
  --yes                 does not ask before applying

Ends with 0: made, or was there. 1: Terraform failed; run it again. 2: wrong command line. 3: something is missing.
4: somebody else is at it.
end
}

region='' github='' github_ids='' environments='' zone='' shared_provider=no

own_option() { # ARGUMENT...
  case $1 in
    --region) region=$(value_of "$@") used=2 ;;
    --github)
      github=$(value_of "$@") used=2
      [[ $github =~ ^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$ ]] || usage_error "--github takes OWNER/NAME: it is \"$github\""
      ;;
    --github-ids)
      github_ids=$(value_of "$@") used=2
      [[ $github_ids =~ ^[0-9]+/[0-9]+$ ]] || usage_error "--github-ids takes two numbers, such as 42/7007: it is \"$github_ids\""
      ;;
    --no-github) github=none ;;
    --environments) environments=$(value_of "$@") used=2 ;;
    --zone)
      zone=$(value_of "$@") used=2
      [[ $zone =~ ^Z[A-Z0-9]+$ ]] || usage_error "--zone takes the ID of a zone, such as Z0123456789ABCDEFGHIJ: it is \"$zone\""
      ;;
    --shared-provider) shared_provider=yes ;;
    --yes) yes=yes ;;
    *) no_such_option "$1" ;;
  esac
}

settle_region() {
  region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region 2>/dev/null || true)}}}
  [ -n "$region" ] || problem "no region is given" "say --region, such as --region eu-west-2"
}

settle_github() {
  [ -n "$github" ] || github=$(git -C "$root" remote get-url origin 2>/dev/null | github_repository)
  [ -n "$github" ] || github=none
}

settle_github_ids() {
  [ "$github" != none ] && [ -z "$github_ids" ] || return 0
  github_ids=$(github_ids_of "$github")
  [ -n "$github_ids" ] || problem "GitHub does not tell who $github is" \
    "say --github-ids OWNER_ID/REPOSITORY_ID, which are: gh api repos/$github --jq '\"\\(.owner.id)/\\(.id)\"'"
}

settle_environments() {
  local file
  [ -z "$environments" ] || return 0
  environments=staging,production
  for file in "$root"/terraform/environments/*.tfvars; do
    [ ! -f "$file" ] || environments+=,$(basename "$file" .tfvars)
  done
}

settle_zone() {
  local zones
  [ -z "$zone" ] || return 0
  zones=$(zones_of_environments "$root/terraform/environments")
  zone=${zones%%$'\n'*}
  [ "$zone" = "$zones" ] || problem "the environments name several zones: ${zones//$'\n'/, }" "say by --zone which one GitHub may change"
}

# The state is in the bucket as soon as there is one. Until then it is a file here, from which an interrupted run goes on.
choose_backend() {
  local answer
  local_state=$root/terraform/bootstrap/terraform.tfstate
  rm -f "$root/terraform/bootstrap/backend.tf"
  if answer=$(aws s3api get-bucket-location --bucket "$bucket" --expected-bucket-owner "$account" --output json 2>&1); then
    home=$(jq -r '.LocationConstraint // "us-east-1"' <<<"$answer")
    [ "$home" = "$region" ] ||
      problem "account $account was bootstrapped in $home, and not in $region" "say --region $home; a stack is in the region of its images"
    if aws s3api head-object --bucket "$bucket" --expected-bucket-owner "$account" --key "$state_key" >/dev/null 2>&1; then
      write_backend
    elif [ ! -s "$local_state" ]; then
      problem "the bucket $bucket is there, and no state says who made it" \
        "finish bootstrap on the machine where it began, or delete the bucket if it is empty"
    fi
  elif [[ $answer != *NoSuchBucket* ]]; then
    problem "the bucket $bucket cannot be read: $(last_line <<<"$answer")" "check the account and the permissions of $caller"
  fi
}

write_backend() {
  cat >"$root/terraform/bootstrap/backend.tf" <<end
# Written by nix/apps/bootstrap.sh for the account at hand, and in no commit.
terraform {
  backend "s3" {
    bucket       = "$bucket"
    key          = "$state_key"
    region       = "$region"
    encrypt      = true
    use_lockfile = true
  }
}
end
}

# More arguments are those of init.
bootstrap_init() { # ARGUMENT...
  terraform "-chdir=$root/terraform/bootstrap" init -input=false -no-color -lockfile=readonly "$@" >"$scratch/init" 2>&1 ||
    die "$exit_failed" "terraform init failed: $(grep -v '^$' "$scratch/init" | tail -n 15)"
}

# A role that is taken away may be the one of somebody else's environment, which this checkout does not know.
confirm_removals() {
  local removed
  removed=$(events 'planned | select(.action == "delete" and .resource.resource_type == "aws_iam_role") | .resource.addr' \
    <"$scratch/events" | sort | paste -sd ' ' -)
  [ -n "$removed" ] || return 0
  line "THIS TAKES AWAY: $removed"
  ask_for yes "GitHub or an environment was named before and is not now. --yes does not agree to that."
  yes=yes
}

parse_options "$@"
make_scratch
check_tools aws curl git jq terraform
end_on_problems
find_checkout
name=slipway state_key=bootstrap/terraform.tfstate
settle_region
settle_github
settle_github_ids
settle_environments
settle_zone
if [ -n "$region" ]; then use_region; fi
if check_credentials && [ -n "$region" ]; then
  bucket=$name-state-$account
  choose_backend
fi
end_on_problems

environment=bootstrap folder=terraform/bootstrap
say "account $account in $region, as $(principal "$caller")"
row GitHub "$github"
[ "$github" = none ] || row '' "may deploy: ${environments//,/, }"
[ "$github" = none ] || [ -z "$zone" ] || row '' "may change records of $zone"
use_data_folder
[ ! -f "$root/terraform/bootstrap/backend.tf" ] || rm -f "$local_state"
bootstrap_init -reconfigure

heading Plan
arguments=("-var=name=$name" "-var=region=$region" "-var=environments=$(jq -Rc 'split(",") | unique' <<<"$environments")")
[ "$github" = none ] || arguments+=("-var=github_repository=$github"
  "-var=github_ids={owner=${github_ids%/*},repository=${github_ids#*/}}")
[ -z "$zone" ] || arguments+=("-var=route53_zone_id=$zone")
[ "$shared_provider" = no ] || arguments+=(-var=github_oidc_provider_exists=true)
plan_terraform "${arguments[@]}"
if [ "$changed" = no ]; then
  line "nothing changes"
else
  describe_changes
  confirm_removals
  confirm_plan "$yes"
  heading Apply
  apply_plan || end_on_terraform_error "Not all of it could be made; run it again, and it goes on"
fi

make_service_linked_roles
if [ ! -f "$root/terraform/bootstrap/backend.tf" ]; then
  write_backend
  bootstrap_init -migrate-state -force-copy
  rm -f "$local_state" "$local_state.backup"
  line "moved its state to s3://$bucket/$state_key"
fi
forget_outputs
heading "account $account is ready"
row states "s3://$bucket"
stack_output '.repositories.value | to_entries[] | .value' | while read -r repository; do row images "$repository"; done
stack_output '.github_roles.value | to_entries[] | "\(.key)\t\(.value)"' | while IFS=$'\t' read -r role arn; do row "$role" "$arn"; done
say
say "Next: nix run .#deploy -- --profile lean --region $region"
