#!/usr/bin/env bash
# Removes an environment with its data.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#destroy -- --env NAME [--confirm NAME]

Removes everything of an environment, its data included, and then looks whether anything of it is left. What stays: images
and states, which the environments share and which cost cents; the list of releases, which costs nothing; and backups that
AWS keeps, which it names. Needs deletion_protection = false in the environment's file, followed by a deploy.

  --env NAME       the environment; there is no default
  --confirm NAME   the name once more, in place of the question

Ends with 0: nothing is left. 1: not confirmed, or something is left, which it names. 2: wrong command line. 3: it is
protected, or something is missing. 4: somebody else is at it. 130: interrupted.
end
}

confirmed='' given=no
own_option() { # ARGUMENT...
  case $1 in
    --confirm) confirmed=$(value_of "$@") used=2 ;;
    *) no_such_option "$1" ;;
  esac
}

# What the owner should know before saying yes.
say_what_is_lost() {
  local counted
  counted=$(terraform_here state list 2>"$scratch/terraform-errors" | grep -vc '^data\.' || true)
  line "$counted resources, and with them:"
  case $(setting database <"$settings") in
    rds) line "- the database in RDS with its automatic backups; no last snapshot is made, so make one if you want it" ;;
    task) line "- the data in the task" ;;
    *) line "- the database on EFS; AWS Backup keeps its backups for 35 days and bills them" ;;
  esac
  line "- its logs, its secrets, its load balancer and that one's address"
}

left_over() {
  aws resourcegroupstaggingapi get-resources --output json \
    --tag-filters "Key=Project,Values=$name" "Key=Environment,Values=$environment" 2>"$scratch/left" |
    jq -r '.ResourceTagMappingList[].ResourceARN | select(test(":ecs:.*:(task-definition|task|service|cluster)/") | not)'
}

for argument; do if [ "$argument" = --env ]; then given=yes; fi; done
parse_options "$@"
[ "$given" = yes ] || [[ " $* " == *" -h "* ]] || usage_error "say which environment: --env NAME"
check_surroundings aws git jq terraform
if [ -f "$settings" ] && [ "$(setting deletion_protection <"$settings")" != false ]; then
  problem "$environment is protected" "set deletion_protection = false in ${settings#"$root/"} and deploy that first"
fi
end_on_problems
check_lock

say_where
prepare_terraform
heading "To be destroyed"
say_what_is_lost
if [ -n "$confirmed" ]; then
  [ "$confirmed" = "$environment" ] || usage_error "--confirm $confirmed, and --env $environment: the names differ"
else
  ask_for "$environment" "There is no way back."
fi

# Terraform does not look at the digests of what it destroys, but wants them in the form of digests.
none=sha256:$(printf '0%.0s' {1..64})
heading Destroy
trap 'interrupted "while destroying: what is left is in the state"' INT TERM
mapfile -t arguments < <(stack_arguments "$(needed_images <"$settings" | sed "s/$/ $none/" | digests_as_json)")
run_terraform progress destroy -auto-approve "${arguments[@]}" ||
  end_on_terraform_error "Not all of it could be destroyed; run it again, and it goes on"

heading "What is left"
if left=$(left_over); then
  [ -z "$left" ] || { indent <<<"$left" && die "$exit_failed" "these are tagged as $environment's and still there: remove them, for they may be billed"; }
  line "nothing that is tagged as $environment's"
else
  line "not looked at: $(last_line <"$scratch/left")"
fi
if [ "$(setting database <"$settings")" = efs ]; then line "backups of the database, in AWS Backup, until they are 35 days old"; fi
line "${settings#"$root/"}: delete it as well, unless you want the environment again"
