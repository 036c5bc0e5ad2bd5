# shellcheck shell=bash
# Sourced by scripts at the root of the project: sets `nix`, the command with which they build the flake, and
# `inputs_are`, which says with what. NIX_INPUTS decides, and nothing else: what cannot be reached is never replaced.
#
#   (unset)                        the real inputs that flake.lock pins; Nix 2.18 or later
#   "nixpkgs=FLAKE crane=FLAKE"    these in the place of those that flake.lock pins
#   standin                        the stand-ins of tests/nix/standin, for a machine that reaches none of them

choose_inputs() {
  case ${NIX_INPUTS-} in
    standin)
      tests/nix/standin/prepare || return 1
      nix=(tests/nix/standin/nix)
      inputs_are="with stand-ins for nixpkgs, crane and rust-overlay: the real ones are NOT tested"
      ;;
    *=*)
      # shellcheck disable=SC2034 # for the script that sources this
      nix=(tests/nix/with)
      inputs_are="with $NIX_INPUTS"
      ;;
    "")
      local version
      version=$(command nix --version | grep -oE '[0-9.]+$')
      if [ "$(printf '%s\n' 2.18 "$version" | sort -V | head -n 1)" != 2.18 ]; then
        no_inputs "nixpkgs needs Nix 2.18 or later, and this is $version"
        return 1
      fi
      if ! nix flake metadata . >/dev/null; then
        no_inputs "the inputs that flake.lock pins cannot be had (see above)"
        return 1
      fi
      # shellcheck disable=SC2034 # both for the script that sources this
      nix=(nix)
      # shellcheck disable=SC2034
      inputs_are="with the real nixpkgs, crane and rust-overlay that flake.lock pins"
      ;;
    *) no_inputs "NIX_INPUTS is $NIX_INPUTS" && return 1 ;;
  esac
}

no_inputs() { # WHY
  printf '%s.\nNIX_INPUTS=standin takes stand-ins, made of Debian packages, in their place; tests/nix/inputs.sh has all choices.\n' "$1" >&2
}
