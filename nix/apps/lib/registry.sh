# shellcheck shell=bash
# Images on their way to ECR and in it.
#
# --insecure-policy: the source of every copy is an archive that was built here. It has no signature to ask for, and a Mac
# has no policy file.

readonly push_attempts=5 # with pauses of 1, 2, 4 and 8 seconds: a registry that restarts is back by then

# Sets repositories, a JSON object of NAME => URL. Returns 1 with a problem if one is missing.
find_repositories() {
  local answer names=() image
  for image in $(needed_images <"$settings"); do names+=("$name/$image"); done
  if ! answer=$(aws ecr describe-repositories --repository-names "${names[@]}" --output json 2>&1); then
    problem "the image repositories cannot be read: $(last_line <<<"$answer")" "make them once: nix run .#bootstrap -- --region $region"
    return 1
  fi
  repositories=$(jq -c '[.repositories[] | { (.repositoryName | split("/")[-1]): .repositoryUri }] | add' <<<"$answer")
}

repository() { jq -r --arg image "$1" '.[$image]' <<<"$repositories"; } # NAME

# The password goes from one program to the other and is kept in the scratch folder.
sign_in_to_registry() {
  local host errors=$scratch/sign-in
  host=$(repository app)
  export REGISTRY_AUTH_FILE=$scratch/registry.json
  aws ecr get-login-password 2>"$errors" |
    skopeo login --username AWS --password-stdin "${host%%/*}" >/dev/null 2>>"$errors" ||
    die "$exit_push" "${host%%/*} lets nobody in: $(skopeo_says <"$errors")" "nothing was changed; run it again"
}

# The digest of an image in the registry; empty when it has none of that name.
registry_digest() { # URL:TAG or URL@DIGEST
  local errors=$scratch/inspect
  if skopeo --insecure-policy inspect --raw "docker://$1" >"$scratch/manifest" 2>"$errors"; then
    printf 'sha256:%s\n' "$(sha256 <"$scratch/manifest")"
  elif ! grep -qiE 'manifest unknown|not found' "$errors"; then
    die "$exit_push" "the registry does not answer: $(skopeo_says <"$errors")" "nothing was changed; run it again"
  fi
}

# A Mac has shasum only.
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }

# What skopeo logs last, without time and level.
skopeo_says() { last_line | sed -E 's/^time=.* msg="(.*)"$/\1/; s/\\"/"/g'; }

# Pushes what the registry does not have. Says for each layer whether it was, and adds up in bytes_pushed and bytes_there.
push_images() {
  local image started=$SECONDS
  bytes_pushed=0 bytes_there=0
  for image in $(needed_images <"$settings"); do
    push_image "$image" "$(archive_of "$image")"
  done
  line "pushed $(bytes "$bytes_pushed") in $(duration $((SECONDS - started))), $(bytes "$bytes_there") were there"
}

push_image() { # NAME ARCHIVE
  local url digest tag there layers missing
  url=$(repository "$1") digest=$(archive_digest "$2") tag=$(tag_of_archive "$2")
  there=$(registry_digest "$url:$tag")
  layers=$(archive_layers "$2")
  if [ "$there" = "$digest" ]; then
    row "$1" "$(short_digest "$digest")  there already"
    bytes_there=$((bytes_there + $(total_bytes <<<"$layers")))
    return
  fi
  [ -z "$there" ] || die "$exit_push" "the registry has another image $1 of $tag, $(short_digest "$there") instead of $(short_digest "$digest")" \
    "its tags never change what they mean. Was it built from a changed checkout? Commit, and deploy the commit"
  row "$1" "$(short_digest "$digest")  tagged $tag"
  missing=$(layers_to_push "$1" <<<"$layers")
  describe_layers "$missing" <<<"$layers"
  copy_image "$2" "$url:$tag" || die "$exit_push" "the registry does not take $1: $(skopeo_says <"$scratch/push")" \
    "the stack was not touched; run it again, and it goes on with the layers that are not there yet"
  bytes_pushed=$((bytes_pushed + $(total_bytes <<<"$missing")))
  bytes_there=$((bytes_there + $(total_bytes <<<"$layers") - $(total_bytes <<<"$missing")))
}

# Of the layers on standard input, those that the registry has not.
layers_to_push() { # NAME
  local layers answer
  layers=$(cat)
  # shellcheck disable=SC2046 # one word for each layer
  answer=$(aws ecr batch-check-layer-availability --repository-name "$name/$1" --output json \
    --layer-digests $(cut -d' ' -f1 <<<"$layers")) || die "$exit_push" "ECR does not say which layers it has" "run it again"
  grep -vF -f <(jq -r '.layers[] | select(.layerAvailability == "AVAILABLE") | .layerDigest' <<<"$answer") <<<"$layers" || true
}

describe_layers() { # MISSING; all layers on standard input
  local digest size
  while read -r digest size; do
    if grep -qF "$digest" <<<"$1"; then row '' "layer $(short_digest "$digest")  push $(bytes "$size")"; else
      row '' "layer $(short_digest "$digest")  there already, $(bytes "$size")"
    fi
  done
}

# The registry keeps every layer that arrived whole, so that each attempt goes on where the last one ended. skopeo sends
# six layers at a time.
copy_image() { # ARCHIVE URL:TAG
  local attempt reason
  for ((attempt = 1; attempt <= push_attempts; attempt++)); do
    skopeo --insecure-policy copy --quiet --preserve-digests "oci-archive:$1" "docker://$2" 2>"$scratch/push" && return
    ! grep -qiE 'denied|unauthorized|invalid' "$scratch/push" || return 1
    [ "$attempt" != "$push_attempts" ] || return 1
    reason=$(skopeo_says <"$scratch/push")
    line "the registry broke off (${reason##*: }); attempt $((attempt + 1)) of $push_attempts"
    sleep $((2 ** (attempt - 1)))
  done
}

total_bytes() { awk '{ n += $2 } END { print n + 0 }'; }

# Images of before are still in the registry, or a rollback and a promotion have nothing to run.
check_digests_are_kept() { # DIGESTS
  local image digest found
  while read -r image digest; do
    found=$(registry_digest "$(repository "$image")@$digest")
    [ -n "$found" ] ||
      problem "the registry no longer has $image $(short_digest "$digest")" "deploy the commit that it was built from"
  done < <(jq -r 'to_entries[] | "\(.key) \(.value)"' <<<"$1")
}
