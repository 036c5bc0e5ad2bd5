#!/usr/bin/env bash
# What a deploy would change, and what the environment would then cost. Changes nothing and takes no lock.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#plan -- [OPTION]...

Shows what a deploy of this checkout would change, with the digests that it would push, and the monthly cost with its
change. It reads only, so that a role that may not deploy can run it.

  --env NAME       the environment; production unless given
  --full           Terraform's own text, with every attribute

Ends with 0: shown. 1: Terraform cannot plan. 2: wrong command line. 3: something is missing.
end
}

full=no
own_option() { if [ "$1" = --full ]; then full=yes; else no_such_option "$1"; fi; }

parse_options "$@"
make_scratch
check_tools aws git jq tar terraform
end_on_problems
find_checkout
choose_environment "$env"
check_environment
if [ -f "$settings" ]; then check_archives; fi
check_account
end_on_problems

say_where
prepare_terraform
heading Images
digests=$(built_digests)
jq -r 'to_entries[] | "\(.key) \(.value)"' <<<"$digests" | while read -r image digest; do row "$image" "$digest"; done
heading Plan
plan_stack "$digests" -lock=false
if [ "$full" = yes ]; then terraform_here show -no-color "$plan"; else describe_plan; fi
