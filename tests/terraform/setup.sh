# shellcheck shell=bash
# What the tests of Terraform and those of the deploy commands need: the virtualenv of the fake AWS, Terraform, and its
# provider. Sourced at the top of the checkout; here and target are set.
#
# The provider comes from a local mirror where there is one (your own CLI configuration, or registry.terraform.io/ in
# TF_PLUGIN_MIRROR, Terraform's usual directories or /opt), else from the registry by `terraform init`.

die() { printf '%s/run: %s\n' "$here" "$*" >&2; exit 1; }

find_terraform() {
  command -v terraform >/dev/null ||
    die "terraform is not installed: get 1.11 or newer at https://developer.hashicorp.com/terraform/install"
}

# The folder of a mirror that holds the locked version for this machine, if any.
find_mirror() {
  local version platform folder
  version=$(sed -n 's/^ *version *= "\(.*\)"/\1/p' terraform/.terraform.lock.hcl)
  platform=$(terraform version -json 2>/dev/null | sed -n 's/^ *"platform": "\(.*\)",*/\1/p')
  for folder in "${TF_PLUGIN_MIRROR-}" ~/.terraform.d/plugins ~/.local/share/terraform/plugins \
    /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt/*; do
    [ -d "$folder/registry.terraform.io/hashicorp/aws/$version/$platform" ] && { printf '%s\n' "$folder"; return; }
  done
}

configure_terraform() {
  local configuration=${TF_CLI_CONFIG_FILE-$HOME/.terraformrc} mirror
  if [ -f "$configuration" ]; then
    export TF_CLI_CONFIG_FILE=$configuration
    echo "provider: as $configuration says"
    return
  fi
  export TF_CLI_CONFIG_FILE=$PWD/$target/terraformrc
  mirror=$(find_mirror)
  if [ -n "$mirror" ]; then
    printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$mirror" >"$TF_CLI_CONFIG_FILE"
    echo "provider: from the mirror $mirror"
  else
    mkdir -p "$target/providers"
    printf 'plugin_cache_dir = "%s"\n' "$PWD/$target/providers" >"$TF_CLI_CONFIG_FILE"
    echo "provider: from the registry"
  fi
}
