# shellcheck shell=bash
# The checkout that a command was called in, and the environment that it is about.
#
# An environment is terraform/environments/NAME.tfvars and a state of its own. The file is all that it is made from, so
# that a checkout says what runs.

# Sets root, the top of the checkout.
find_checkout() {
  root=$(git rev-parse --show-toplevel 2>/dev/null) || root=''
  [ -f "$root/terraform/ecs.tf" ] || die "$exit_preflight" "this is no checkout of the project: change into one"
}

# Sets environment, settings (its file), and what the file says: name, region. They are empty where it says nothing.
choose_environment() { # NAME [FILE]
  [[ $1 =~ ^[a-z][a-z0-9-]{1,10}[a-z0-9]$ ]] ||
    usage_error "--env takes 3 to 12 lower-case letters, digits or hyphens: it is \"$1\""
  environment=$1
  settings=${2:-$root/terraform/environments/$environment.tfvars}
  name=slipway region=''
  [ -f "$settings" ] || return 0
  name=$(setting name <"$settings")
  name=${name:-slipway} region=$(setting region <"$settings")
  full_name=$name-$environment
}

# The value of a setting in a .tfvars on standard input, when it stands on one line: NAME = "text" or NAME = word.
setting() { # NAME
  sed -nE "s/^$1[[:space:]]*=[[:space:]]*\"?([^\"#]*[^\"#[:space:]])\"?[[:space:]]*(#.*)?$/\1/p" | tail -n 1
}

# The Route 53 zones that the environments of a folder name, a line each.
zones_of_environments() { # FOLDER
  local file
  for file in "$1"/*.tfvars; do
    [ ! -f "$file" ] || setting route53_zone_id <"$file"
  done | awk '$0 != "null"' | sort -u
}

# The images that a .tfvars on standard input has run in a task. Those in RDS and ElastiCache run elsewhere.
needed_images() {
  local text database cache
  text=$(cat)
  database=$(setting database <<<"$text") cache=$(setting cache <<<"$text")
  echo app
  [ "$cache" = elasticache ] || echo valkey
  if [ "$database" != rds ] || grep -qE '^[^#]*import_from_efs[[:space:]]*=[[:space:]]*true' <<<"$text"; then
    echo postgres
  fi
}

# The content of a new environment's file, from a profile.
new_settings() { # PROFILE REGION [DOMAIN]
  printf '# The environment %s, made from %s.tfvars. Every setting with its price or risk: ../variables.tf.\n' "$environment" "$1"
  printf 'region = "%s"\n' "$2"
  if [ -n "${3-}" ]; then printf 'domain = "%s"\n' "$3"; fi
  printf '\n'
  sed '/^#/d' "$root/terraform/$1.tfvars"
}

# The profile that an environment was made from, as the first line of its file says.
profile_of() { # FILE
  sed -nE '1s/.*made from ([a-z]+)\.tfvars.*/\1/p' "$1"
}

# Every AWS client of a command asks the environment's own region, whatever the shell's is.
use_region() {
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_PAGER=''
}

# A folder that only this user can read and that goes away with the command: sets scratch.
make_scratch() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}

# OWNER/NAME of a GitHub address on standard input, such as git@github.com:OWNER/NAME.git; empty for others.
github_repository() {
  sed -nE 's#^(https://|ssh://)?([^@/]*@)?github\.com[:/]([A-Za-z0-9-]+/[A-Za-z0-9._-]+)$#\3#p' | sed 's/\.git$//'
}
