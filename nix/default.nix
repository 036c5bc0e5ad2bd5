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
  nginxConf = pkgs.writeText "nginx.conf" (import ./nginx-conf.nix { unusedModules = [ ]; });

  # The programs of one platform, and their images. Every step runs on the host: see cross.nix.
  rustPrograms = cargoEnvironment: {
    server = import ./server.nix {
      inherit
        rust
        source
        release
        cargoEnvironment
        ;
    };
    postgresEntrypoint = import ./postgres-entrypoint.nix {
      inherit
        rust
        source
        release
        cargoEnvironment
        ;
    };
  };
  buildFor =
    platform:
    let
      foreign = nixpkgs.legacyPackages.${platform.system};
      cross = import ./cross.nix { inherit pkgs foreign platform; };
      programs = rustPrograms cross.cargoEnvironment // {
        nginx = import ./nginx.nix { inherit pkgs cross; };
        valkey = import ./valkey.nix { inherit pkgs cross; };
      };
    in
    {
      inherit foreign programs;
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
    };

  arm64 = buildFor platforms.arm64;
  amd64 = buildFor platforms.amd64;

  # On Linux the static programs of the images are also the host's: one build for both, and they run on every distribution.
  inherit (pkgs.stdenv) hostPlatform;
  hostPrograms =
    if hostPlatform.isLinux then
      (if hostPlatform.isAarch64 then arm64 else amd64).programs
    else
      rustPrograms { } // { inherit (pkgs) nginx valkey; };

  terraform = import ./terraform.nix { inherit pkgs; };

  commands = import ./apps {
    inherit pkgs hostPrograms terraform;
    inherit (arm64) images;
  };
  app = _: package: {
    type = "app";
    program = lib.getExe package;
    meta.description = package.meta.description or release.name;
  };

  packages = {
    default = hostPrograms.server;
    server-arm64 = arm64.programs.server;
    nginx-conf = nginxConf;
    image = arm64.images.app;
    image-valkey = arm64.images.valkey;
    image-postgres = arm64.images.postgres;
    image-amd64 = amd64.images.app;
    image-valkey-amd64 = amd64.images.valkey;
    image-postgres-amd64 = amd64.images.postgres;
    openapi = pkgs.runCommand "openapi.json" { } "${lib.getExe hostPrograms.server} openapi >$out";
    sbom = import ./sbom {
      inherit pkgs release;
      inherit (arm64) foreign programs;
    };
    inherit terraform;
  }
  // commands;
in
{
  inherit packages;
  apps = builtins.mapAttrs app ({ default = hostPrograms.server; } // commands);
  checks = import ./checks.nix {
    inherit
      pkgs
      rust
      source
      release
      packages
      hostPrograms
      nginxConf
      ;
  };
  devShells.default = import ./shell.nix { inherit pkgs rust terraform; };
  formatter = pkgs.nixfmt-tree;
}
