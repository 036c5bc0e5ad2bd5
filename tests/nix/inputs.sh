# shellcheck shell=bash
# Sourced by scripts at the root of the project: sets `nix`, the command with which they build the flake, and prints
# whether that is with the real inputs or with the stand-ins.

choose_inputs() {
  local oldest
  oldest=$(printf '%s\n' 2.18 "$(command nix --version | grep -oE '[0-9.]+$')" | sort -V | head -n 1)
  if [ "$oldest" = 2.18 ] && timeout 120 nix flake metadata . >/dev/null 2>&1; then
    nix=(nix)
    echo "with the real nixpkgs, crane and rust-overlay that flake.lock pins"
  else
    nix/standin/prepare || return 1
    # shellcheck disable=SC2034 # for the script that sources this
    nix=(nix/standin/nix)
    echo "with stand-ins for nixpkgs, crane and rust-overlay: the real ones cannot be reached from here, and are NOT tested"
  fi
}
