# shellcheck shell=bash
# The builder of every derivation: the phases of nixpkgs' stdenv, as far as the flake has any.
set -euo pipefail
shopt -s nullglob
export HOME=$NIX_BUILD_TOP TZ=UTC LC_ALL=C.UTF-8
if [ -n "${NIX_ATTRS_SH_FILE:-}" ]; then
  # shellcheck disable=SC1090,SC2154 # written by Nix for a derivation with structured attributes; sets `outputs`
  . "$NIX_ATTRS_SH_FILE"
  out=${outputs[out]}
  export out
fi
PATH=
for input in ${nativeBuildInputs-}; do
  PATH+=$input/bin:
done
export PATH+=/usr/local/bin:/usr/bin:/bin

substituteInPlace() { # FILE --replace-fail OLD NEW
  python3 - "$1" "$3" "$4" <<'end'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if old not in text:
    sys.exit(f"{path} does not contain {old}")
open(path, "w").write(text.replace(old, new))
end
}

unpackPhase() {
  [ -n "${src-}" ] || return 0
  if [ -d "$src" ]; then
    cp -r --no-preserve=mode "$src" source
  else
    mkdir source
    tar xf "$src" -C source --strip-components=1
  fi
  cd source
}
patchPhase() {
  local patch
  for patch in ${patches-}; do patch -p1 <"$patch"; done
  eval "${postPatch-}"
}

runPhase() { # NAME: the derivation's own, or the one above
  if [ -n "${!1-}" ]; then eval "${!1}"; elif declare -F "$1" >/dev/null; then "$1"; fi
}

if [ -n "${buildCommand-}" ]; then
  eval "$buildCommand"
else
  for phase in unpackPhase patchPhase configurePhase buildPhase installPhase; do
    runPhase "$phase"
  done
fi
