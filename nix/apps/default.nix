# The commands that `nix run .#NAME` runs. Each script beside this file also runs without Nix, with its tools on PATH.
{
  pkgs,
  hostPrograms,
}:
let
  inherit (pkgs) lib;
in
{
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
