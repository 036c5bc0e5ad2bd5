#!/usr/bin/env bash
# Takes a checkout and an AWS account to a served URL, and says whether the new version took over.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#deploy -- [OPTION]...

Pushes the images, applies the stack, and follows the rollout until the new version runs: every task with the digest that
was pushed, and /health, /ready and /hello answering. Anything else is an error, also when ECS went back to the old one.
Nothing changed: nothing happens. Interrupted: run it again.

  --env NAME       the environment, terraform/environments/NAME.tfvars; production unless given
  --profile NAME   lean or durable: what a new environment is made from
  --region NAME    where a new environment is made
  --domain NAME    the API's name in a new environment; without one it is plain HTTP, for a first try
  --yes            does not ask before applying; losing data is asked for nevertheless
  --dirty          deploys a checkout with changes that are in no commit
  --url URL        tests this address instead of the stack's own, such as before DNS points there
  --timeout MIN    how long the rollout may take; 20 unless given

Ends with 0: it runs, or ran already. 1: it did not take over, with the reason. 2: wrong command line. 3: something is
missing, nothing was changed. 4: somebody else is deploying. 5: the images could not be pushed. 6: it runs, and does not
answer as it should. 7: a DNS record has to be made first. 130: interrupted.
end
}

profile='' new_region='' domain='' dirty=no place=''

own_option() { # ARGUMENT...
  case $1 in
    --profile)
      profile=$(value_of "$@") used=2
      [[ $profile =~ ^(lean|durable)$ ]] || usage_error "--profile is lean or durable: it is \"$profile\""
      ;;
    --region) new_region=$(value_of "$@") used=2 ;;
    --domain) domain=$(value_of "$@") used=2 ;;
    --dirty) dirty=yes ;;
    *) rollout_option "$@" ;;
  esac
}

# A new environment's file, which gets its place when nothing else is missing, or the word that an old one is not made
# again.
settle_environment() {
  local other
  if [ -f "$settings" ]; then
    other=$(profile_of "$settings")
    [ -z "$profile" ] || [ "$profile" = "$other" ] || problem "$environment was made from ${other:-no profile}, and not from $profile" \
      "edit ${settings#"$root/"}, where every setting stands; --profile is for new environments"
    [ -z "$new_region" ] || [ "$new_region" = "$region" ] || problem "$environment is in $region, and not in $new_region" \
      "leave --region out, or make another environment with --env"
    [ -z "$domain" ] || [ "$domain" = "$(setting domain <"$settings")" ] || problem "${settings#"$root/"} has another domain than $domain" \
      "edit it; --domain is for new environments"
  elif [ -n "$profile" ]; then
    new_region=${new_region:-${AWS_REGION:-${AWS_DEFAULT_REGION-}}}
    [ -n "$new_region" ] || usage_error "a new environment needs --region, such as --region eu-west-2"
    new_settings "$profile" "$new_region" "$domain" >"$scratch/settings"
    place=$settings
    choose_environment "$environment" "$scratch/settings"
  fi
}

keep_settings() {
  mkdir -p "$(dirname "$place")"
  cp "$settings" "$place"
  settings=$place
  line "new: ${settings#"$root/"}. Commit it: the environment is made from nothing else"
}

parse_options "$@"
make_scratch
check_tools aws curl git jq skopeo tar terraform
end_on_problems
find_checkout
choose_environment "$env"
# The file that a first deploy wrote is committed after it, even when that deploy has to be run again.
if [ "$dirty" = no ]; then check_committed "${profile:+$settings}"; fi
settle_environment
check_environment
if [ -f "$settings" ]; then
  check_archives
  if [ "$dirty" = no ] && [ "${#problems[@]}" = 0 ]; then check_revision; fi
fi
check_account
end_on_problems
check_lock

say_where
if [ -n "$place" ]; then keep_settings; fi
prepare_terraform

heading Images
trap 'interrupted "while pushing; the stack was not touched"' INT TERM
sign_in_to_registry
push_images
take_over "$(built_digests)" "$(archive_label "$(archive_of app)" revision)"
