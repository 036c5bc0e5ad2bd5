# Terraform as HashiCorp built it. Its licence (BUSL) keeps it out of the public cache, and compiling it takes twenty
# minutes. The hashes are those that HashiCorp publishes with the release.
#
# The AWS provider comes with it on x86-64 Linux. For the other hosts, nobody whom we could verify has published which hash
# of the release belongs to which of them: there `terraform init` downloads it, and .terraform.lock.hcl says what it must be.
{ pkgs }:
let
  inherit (pkgs) lib;
  system = pkgs.stdenv.hostPlatform.system;
  version = "1.15.8";
  awsVersion = "5.100.0";

  releases = {
    x86_64-linux = {
      platform = "linux_amd64";
      sha256 = "d25ce7b6902013ad905db3d2eab0be4cd905887fe88b81a6171b8d5503c31f3d";
      awsHash = "sha256-iakUDhMw/FKMo9QRF3f2+Qyp3UvcPgco8YxMAY9dQwA=";
    };
    aarch64-linux = {
      platform = "linux_arm64";
      sha256 = "8891e9dcedc9e3b8950bc6af9d4d8af1f4cfade3062f53b9dc403a89f6ce8c9c";
    };
    aarch64-darwin = {
      platform = "darwin_arm64";
      sha256 = "f210110c5698b94d803a7a63cdb0251b5455c150841478808e2bbb343f95ed68";
    };
  };
  release = releases.${system};

  archive = pkgs.fetchurl {
    url = "https://releases.hashicorp.com/terraform/${version}/terraform_${version}_${release.platform}.zip";
    inherit (release) sha256;
  };
  provider = pkgs.fetchzip {
    url = "https://releases.hashicorp.com/terraform-provider-aws/${awsVersion}/terraform-provider-aws_${awsVersion}_${release.platform}.zip";
    hash = release.awsHash;
    stripRoot = false;
  };

  # Where Terraform looks for the provider instead of its registry.
  mirror = pkgs.runCommand "terraform-providers" { } ''
    folder=$out/registry.terraform.io/hashicorp/aws/${awsVersion}
    mkdir -p $folder
    ln -s ${provider} $folder/${release.platform}
  '';
  configuration = pkgs.writeText "terraform.tfrc" ''
    provider_installation {
      filesystem_mirror {
        path    = "${mirror}"
        include = ["registry.terraform.io/hashicorp/aws"]
      }
      direct {
        exclude = ["registry.terraform.io/hashicorp/aws"]
      }
    }
  '';
  terraform =
    pkgs.runCommand "terraform-unwrapped-${version}" { nativeBuildInputs = [ pkgs.python3 ]; }
      ''
        python3 -m zipfile -e ${archive} .
        install -D -m 755 terraform $out/bin/terraform
      '';
in
pkgs.writeShellApplication {
  name = "terraform";
  text = ''
    ${lib.optionalString (
      release ? awsHash
    ) "export TF_CLI_CONFIG_FILE=\"\${TF_CLI_CONFIG_FILE:-${configuration}}\""}
    exec ${terraform}/bin/terraform "$@"
  '';
}
