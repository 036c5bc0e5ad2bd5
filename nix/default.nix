# Everything that the flake offers on one host. Each file beside this one is about one thing; README.md is their map.
{
  self,
  nixpkgs,
  crane,
  rust-overlay,
  host,
}:
let
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.${host};
  platforms = import ./platforms.nix;

  cargo = lib.importTOML ../Cargo.toml;
  release = {
    name = cargo.package.name;
    inherit (cargo.workspace.package) version license repository;
    revision = self.rev or self.dirtyRev or "unknown";
    committed = self.lastModified or 1;
  };

  rust = import ./rust.nix {
    inherit
      pkgs
      crane
      rust-overlay
      platforms
      ;
  };
  source = import ./source.nix { inherit lib; };
  nginxConf = pkgs.writeText "nginx.conf" (import ./nginx-conf.nix { });

  # What runs in the images of one platform. Every step runs on the host: see cross.nix.
  buildFor =
    platform:
    let
      foreign = nixpkgs.legacyPackages.${platform.system};
      cross = import ./cross.nix { inherit pkgs foreign platform; };
      programs = {
        server = import ./server.nix {
          inherit rust source release;
          inherit (cross) cargoEnvironment;
        };
        postgresEntrypoint = import ./postgres-entrypoint.nix {
          inherit rust source release;
          inherit (cross) cargoEnvironment;
        };
        nginx = import ./nginx.nix { inherit pkgs cross; };
        valkey = import ./valkey.nix { inherit pkgs cross; };
      };
      images = import ./images {
        inherit
          pkgs
          foreign
          platform
          programs
          nginxConf
          release
          ;
      };
    in
    programs // { inherit images; };

  arm64 = buildFor platforms.arm64;
  amd64 = buildFor platforms.amd64;

  # On Linux the static server of the image is also the host's: one build for both, and it runs on every distribution.
  server =
    if pkgs.stdenv.hostPlatform.isLinux then
      (if pkgs.stdenv.hostPlatform.isAarch64 then arm64 else amd64).server
    else
      import ./server.nix {
        inherit rust source release;
        cargoEnvironment = { };
      };

  terraform = import ./terraform.nix { inherit pkgs; };

  packages = {
    default = server;
    server-arm64 = arm64.server;
    nginx-conf = nginxConf;
    image = arm64.images.app;
    image-valkey = arm64.images.valkey;
    image-postgres = arm64.images.postgres;
    image-amd64 = amd64.images.app;
    image-valkey-amd64 = amd64.images.valkey;
    image-postgres-amd64 = amd64.images.postgres;
    openapi = pkgs.runCommand "openapi.json" { } "${lib.getExe server} openapi >$out";
    sbom = import ./sbom {
      inherit pkgs release;
      inherit (arm64) images;
    };
    inherit terraform;
  };
in
{
  inherit packages;
  apps = import ./apps.nix { inherit pkgs packages nginxConf rust source release; };
  checks = import ./checks.nix {
    inherit
      pkgs
      rust
      source
      packages
      nginxConf
      ;
  };
  devShells.default = import ./shell.nix { inherit pkgs rust terraform; };
  formatter = pkgs.nixfmt;
}
