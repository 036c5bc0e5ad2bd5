# The commands that `nix run .#NAME` runs. Each script beside this file also runs without Nix, with its tools on PATH.
{
  pkgs,
  hostPrograms,
  images,
  terraform,
}:
let
  inherit (pkgs) lib;

  # A command that looks after an environment on AWS. It works on the checkout that it is called in.
  command =
    name: description:
    {
      runtimeInputs ? [ ],
      runtimeEnv ? { },
    }:
    pkgs.writeShellApplication {
      inherit name runtimeEnv;
      meta.description = description;
      runtimeInputs = [
        pkgs.awscli2
        pkgs.coreutils
        pkgs.gawk
        pkgs.git
        pkgs.gnugrep
        pkgs.gnused
        pkgs.jq
      ]
      ++ runtimeInputs;
      text = ''exec ${pkgs.runtimeShell} ${./.}/${name}.sh "$@"'';
    };

  withTerraform.runtimeInputs = [ terraform ];
  # Terraform, the registry, and the served URL.
  rollsOut.runtimeInputs = [
    terraform
    pkgs.curl
    pkgs.skopeo
  ];
  # What is deployed is what this flake builds, so that these two build it first. The others need no image.
  withImages = {
    runtimeInputs = rollsOut.runtimeInputs ++ [ pkgs.gnutar ];
    runtimeEnv = {
      IMAGE_APP = "${images.app}";
      IMAGE_VALKEY = "${images.valkey}";
      IMAGE_POSTGRES = "${images.postgres}";
    };
  };
in
{
  bootstrap = command "bootstrap" "What an AWS account needs once" withTerraform;
  plan = command "plan" "What a deploy would change, and what it costs" withImages;
  deploy = command "deploy" "From a checkout to a served URL on AWS" withImages;
  promote = command "promote" "Run in one environment what runs in another" rollsOut;
  rollback = command "rollback" "Run an earlier release again" rollsOut;
  releases = command "releases" "Which releases an environment had" { };
  status = command "status" "What runs, and whether it is what was deployed" withTerraform;
  logs = command "logs" "The logs of a container" { };
  shell = command "shell" "A program in a container that runs" {
    runtimeInputs = [ pkgs.ssm-session-manager-plugin ];
  };
  sleep = command "sleep" "Stop an environment's tasks" { };
  wake = command "wake" "Start them again" rollsOut;
  destroy = command "destroy" "Remove an environment with its data" withTerraform;

  dev = pkgs.writeShellApplication {
    name = "dev";
    meta.description = "The whole stack as processes of this machine";
    runtimeInputs = [
      hostPrograms.server
      hostPrograms.postgresEntrypoint
      hostPrograms.nginx
      hostPrograms.valkey
      pkgs.postgresql_17
    ];
    runtimeEnv = {
      DEV_NGINX_CONF = pkgs.writeText "nginx.conf" (
        import ../nginx-conf.nix (
          {
            listen = "127.0.0.1:8080";
          }
          # Our own nginx has nothing that the configuration does not use; that of nixpkgs, which a Mac takes, has.
          // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux { unusedModules = [ ]; }
        )
      );
      DEV_VALKEY_CONF = "${../images/valkey.conf}";
      DEV_POSTGRES_CONF = lib.fileset.toSource {
        root = ../images;
        fileset = lib.fileset.unions [
          ../images/postgresql.conf
          ../images/pg_hba.conf
        ];
      };
    };
    text = builtins.readFile ./dev.sh;
  };
}
