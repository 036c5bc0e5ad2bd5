#!/usr/bin/env bash
# Runs an earlier release again, by the path of a deploy.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

usage() {
  cat <<'end'
Usage: nix run .#rollback -- [previous | DIGEST] [OPTION]...

Applies the stack with the images of an earlier release and follows the rollout, as deploy does. What the stack is and what
runs then agree. Only the images go back: settings, secrets and the data stay as they are.

  previous         the newest release that took over and is not the one asked for last; this is the default. After a deploy
                   that failed, it is what ran before
  DIGEST           a release of nix run .#releases, by the first digits of its digest or of its commit

  --env NAME       the environment; production unless given
  --yes            does not ask before applying
  --url URL        tests this address instead of the stack's own
  --timeout MIN    how long the rollout may take; 20 unless given

Ends as deploy does: 0 done, 1 did not take over, 2 wrong command line, 3 no such release or something else is missing,
4 somebody else is deploying, 6 runs and does not answer as it should, 130 interrupted.
end
}

wanted=previous

own_option() { # ARGUMENT...
  case $1 in
    -*) rollout_option "$@" ;;
    previous) wanted=previous ;;
    *)
      wanted=${1#sha256:}
      [[ $wanted =~ ^[0-9a-f]{7,64}$ ]] || usage_error "a release is named by 7 or more digits of its digest or commit: it is \"$1\""
      ;;
  esac
}

# Sets release, the one to go back to.
choose_release() {
  local current
  current=$(stack_output '.deployment.value.images // {} | map_values(split("@")[1])' | jq -c .)
  list_releases 100 >"$scratch/releases"
  if [ "$wanted" = previous ]; then
    release=$(previous_release "$current" <"$scratch/releases")
    [ -n "$release" ] || problem "no earlier release of $environment ever took over" "see nix run .#releases, or deploy"
  else
    release=$(named_release "$wanted" <"$scratch/releases")
    if [ -z "$release" ]; then
      problem "no release of $environment has a digest or commit that begins with $wanted" "see nix run .#releases"
    elif [ -z "$(jq -r .completed <<<"$release")" ]; then
      problem "the release $wanted never took over" "choose one that did: nix run .#releases"
    fi
  fi
}

parse_options "$@"
check_surroundings aws curl git jq skopeo terraform
end_on_problems
check_lock

prepare_terraform
choose_release
end_on_problems
sign_in_to_registry
check_digests_are_kept "$(jq -c .images <<<"$release")"
end_on_problems

say_where
line "back to $(short_commit "$(jq -r .commit <<<"$release")"), $(short_digest "$(jq -r .images.app <<<"$release")"), of $(jq -r '.registered | strftime("%Y-%m-%d %H:%M")' <<<"$release")"
take_over "$(jq -c .images <<<"$release")" "$(jq -r .commit <<<"$release")"
