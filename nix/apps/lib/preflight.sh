# shellcheck shell=bash
# What must hold before anything is changed. Problems are collected and told all at once, each with its mend.

problems=()

problem() { problems+=("$1"$'\n'"     $2"); } # WHAT MEND

# Ends the command if there is a problem.
end_on_problems() {
  local index
  [ "${#problems[@]}" != 0 ] || return 0
  {
    printf '%s: nothing was changed, because of %s:\n' "$command" \
      "$([ "${#problems[@]}" = 1 ] && echo "a problem" || echo "${#problems[@]} problems")"
    for index in "${!problems[@]}"; do
      printf '  %d. %s\n' $((index + 1)) "${problems[index]}"
    done
  } >&2
  exit "$exit_preflight"
}

check_tools() { # TOOL...
  local tool missing=()
  for tool; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ "${#missing[@]}" = 0 ] ||
    problem "missing on PATH: ${missing[*]}" "run it by Nix (nix run .#$command), which brings them, or install them"
}

check_environment() {
  if [ ! -f "$settings" ]; then
    problem "there is no environment $environment: ${settings#"$root/"} does not exist" \
      "make it with the first deploy: nix run .#deploy -- --env $environment --profile lean --region REGION [--domain NAME]"
  elif [ -z "$region" ]; then
    problem "${settings#"$root/"} names no region" "add a line such as: region = \"eu-west-2\""
  else
    check_region
  fi
}

# A region in the shell that differs says that the caller thinks of another place than the file.
check_region() {
  local variable
  for variable in AWS_REGION AWS_DEFAULT_REGION; do
    if [ -n "${!variable-}" ] && [ "${!variable}" != "$region" ]; then
      problem "$variable is ${!variable}, and $environment is in $region" \
        "unset $variable, or change region in ${settings#"$root/"} (which makes a new stack)"
      return
    fi
  done
}

# Sets account and caller. Returns 1 without usable credentials.
check_credentials() {
  local answer
  # The answer is the same in every region, and one must be named.
  if answer=$(aws sts get-caller-identity --region "${region:-us-east-1}" --output json 2>&1); then
    account=$(jq -r .Account <<<"$answer") caller=$(jq -r .Arn <<<"$answer")
    return
  fi
  case $answer in
    *[Ee]xpired*) problem "the AWS credentials have expired" "sign in again, such as by: aws sso login" ;;
    *"ocate credentials"* | *NoCredentials*)
      problem "there are no AWS credentials" "sign in (aws configure sso, then export AWS_PROFILE=…), or set AWS_PROFILE"
      ;;
    *) problem "AWS does not accept the credentials: $(last_line <<<"$answer")" "try: aws sts get-caller-identity" ;;
  esac
  return 1
}

# The account has what bootstrap makes, in the environment's region. Sets bucket.
check_bootstrap() {
  local answer home
  bucket=$name-state-$account
  if ! answer=$(aws s3api get-bucket-location --bucket "$bucket" --output json 2>&1); then
    case $answer in
      *NoSuchBucket*) problem "account $account has no bucket $bucket for states" "make it once: nix run .#bootstrap -- --region $region" ;;
      *) problem "the bucket $bucket cannot be read: $(last_line <<<"$answer")" "check the account and the permissions of $caller" ;;
    esac
    return 1
  fi
  home=$(jq -r '.LocationConstraint // "us-east-1"' <<<"$answer")
  [ "$home" = "$region" ] || {
    problem "account $account was bootstrapped in $home, and $environment is to be in $region" \
      "set region = \"$home\" in ${settings#"$root/"}"
    return 1
  }
}

lock_file() { printf 's3://%s/%s/terraform.tfstate.tflock\n' "$bucket" "$environment"; }

# Somebody else's Terraform run, seen before images are pushed and not only when Terraform asks for the lock.
check_lock() {
  local holder
  holder=$(aws s3 cp "$(lock_file)" - 2>/dev/null) || return 0
  die "$exit_locked" "$(describe_lock "$holder")"
}

# From the lock file's content: who, since when, and what to do.
describe_lock() { # JSON
  jq -r --arg environment "$environment" '
    "somebody else is changing \($environment): \(.Who), since \(.Created | sub("[.][0-9]+"; "")) (\(.Operation)).\n"
    + "  Nothing was changed. Wait and run it again. Only if that run is dead for certain:\n"
    + "  TF_DATA_DIR=.terraform/\($environment) terraform -chdir=terraform force-unlock \(.ID)"' <<<"$1"
}

check_committed() { # [FILE]: one that need not be in a commit yet
  local changes
  changes=$(git -C "$root" status --porcelain --untracked-files=all)
  if [ -n "${1-}" ]; then changes=$(grep -vxF "?? ${1#"$root/"}" <<<"$changes" || true); fi
  [ -z "$changes" ] ||
    problem "the checkout has changes that are in no commit: $(awk '{ print $NF }' <<<"$changes" | head -n 3 | paste -sd ' ')" \
      "commit them, or say --dirty: the release is then marked as dirty"
}

last_line() { sed '/^$/d' | tail -n 1; }
