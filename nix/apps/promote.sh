#!/usr/bin/env bash
# Runs in one environment what runs in another, by the same digests and without building anything.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#promote -- [OPTION]...

Deploys the images that run in another environment. Nothing is built and nothing is pushed: the environments share the
image repositories, so that production gets the very digest that ran in staging.

  --from NAME      the environment whose images are taken; staging unless given
  --env NAME       the environment that gets them; production unless given
  --yes            does not ask before applying
  --url URL        tests this address instead of the stack's own
  --timeout MIN    how long the rollout may take; 20 unless given

Ends as deploy does: 0 done, 1 did not take over, 2 wrong command line, 3 the other environment is not steady or something
is missing, 4 somebody else is deploying, 6 runs and does not answer as it should, 130 interrupted.
end
}

from=staging

own_option() { # ARGUMENT...
  case $1 in
    --from) from=$(value_of "$@") used=2 ;;
    *) rollout_option "$@" ;;
  esac
}

# Sets release to what runs in the other environment.
choose_release() {
  local running image
  running=$(full_name=$name-$from && describe_service 2>/dev/null | running_release) || running=''
  if [ "${running#* }" != COMPLETED ]; then
    problem "$from has no release that has taken over" "deploy it first: nix run .#deploy -- --env $from"
    return
  fi
  release=$(release_of "${running% *}")
  for image in $(needed_images <"$settings"); do
    jq -e --arg image "$image" '.images[$image]' <<<"$release" >/dev/null ||
      problem "$environment needs an image $image, and $from runs none" "deploy $environment from the same commit instead"
  done
}

parse_options "$@"
[ "$from" != "$env" ] || usage_error "--from and --env are the same environment"
check_surroundings aws curl git jq skopeo terraform
end_on_problems
choose_release
end_on_problems
sign_in_to_registry
digests=$(jq -c --arg needed "$(needed_images <"$settings")" \
  '.images | with_entries(select(.key as $image | $needed | split("\n") | index($image)))' <<<"$release")
check_digests_are_kept "$digests"
end_on_problems
check_lock

say_where
prepare_terraform
line "$(short_commit "$(jq -r .commit <<<"$release")"), $(short_digest "$(jq -r .images.app <<<"$release")"), as it runs in $from"
take_over "$digests" "$(jq -r .commit <<<"$release")"
