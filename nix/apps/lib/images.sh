# shellcheck shell=bash
# The images that were built: OCI archives, whose digests are known before anything is pushed.
#
# Nix sets IMAGE_APP, IMAGE_VALKEY and IMAGE_POSTGRES to what the flake builds. Without Nix they are set by hand, or
# IMAGES_DIR names a folder that holds app.oci.tar, valkey.oci.tar and postgres.oci.tar.

# The archive of an image; empty when none is named.
archive_of() { # NAME
  local variable=IMAGE_${1^^}
  if [ -n "${!variable-}" ]; then
    printf '%s\n' "${!variable}"
  elif [ -n "${IMAGES_DIR-}" ]; then
    printf '%s\n' "$IMAGES_DIR/$1.oci.tar"
  fi
}

archive_file() { tar -xOf "$1" "$2"; } # ARCHIVE PATH
archive_blob() { archive_file "$1" "blobs/${2/://}"; }

archive_digest() { # ARCHIVE
  archive_file "$1" index.json | jq -er '.manifests | if length == 1 then .[0].digest else error("not one image") end'
}

# The layers as "DIGEST BYTES", the lowest first.
archive_layers() { # ARCHIVE
  archive_blob "$1" "$(archive_digest "$1")" | jq -r '.layers[] | "\(.digest) \(.size)"'
}

archive_label() { # ARCHIVE LABEL
  local configuration
  configuration=$(archive_blob "$1" "$(archive_digest "$1")" | jq -r .config.digest)
  archive_blob "$1" "$configuration" | jq -r --arg name "org.opencontainers.image.$2" '.config.Labels[$name] // empty'
}

# Under which tag an image is pushed. Tags are immutable and keep an image from being deleted as never deployed. A
# commit's own build is tagged by the commit; one that does not depend on the commit, or is of no commit, by its content.
image_tag() { # REVISION VERSION DIGEST; REVISION may be empty
  case $1 in
    '') printf '%s-%s\n' "${2:-image}" "$(short_digest "$3")" ;;
    *-dirty | unknown) printf '%s-%s\n' "$1" "$(short_digest "$3")" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

tag_of_archive() { # ARCHIVE
  image_tag "$(archive_label "$1" revision)" "$(archive_label "$1" version)" "$(archive_digest "$1")"
}

# Every image that the environment needs is there and can be read.
check_archives() {
  local image archive
  for image in $(needed_images <"$settings"); do
    archive=$(archive_of "$image")
    if [ -z "$archive" ]; then
      problem "no image $image is given" "run it by Nix (nix run .#$command), or set IMAGES_DIR or IMAGE_${image^^} to an OCI archive"
    elif ! archive_digest "$archive" >/dev/null 2>&1; then
      problem "$archive is no OCI archive of one image" "build it again: nix build .#image"
    fi
  done
}

# The app is that of the commit at which the checkout stands, or the release could not be found again by its commit.
check_revision() {
  local archive built head
  archive=$(archive_of app)
  [ -f "$archive" ] || return 0
  built=$(archive_label "$archive" revision) head=$(git -C "$root" rev-parse HEAD)
  [ "$built" = "$head" ] ||
    problem "the image of the app was built from $(short_commit "${built:-unknown}"), and the checkout is at $(short_commit "$head")" \
      "build it again from this commit, or say --dirty"
}

# Name => digest of what was built, as JSON.
built_digests() {
  local image
  for image in $(needed_images <"$settings"); do
    printf '%s %s\n' "$image" "$(archive_digest "$(archive_of "$image")")"
  done | digests_as_json
}

# Lines of "NAME DIGEST" as a JSON object, which is also what Terraform reads as an object.
digests_as_json() { jq -Rnc '[inputs | split(" ") | { (.[0]): .[1] }] | add'; }
