{
  description = "Slipway: a small production API in Rust, its images, and the stack that runs them";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    crane.url = "github:ipetkov/crane";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      crane,
      rust-overlay,
    }:
    let
      inherit (nixpkgs) lib;

      # Where this flake is used; what it builds for AWS is ARM64 Linux on each of them.
      hosts = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];

      forEachHost =
        output:
        lib.genAttrs hosts (
          host:
          output (
            import ./nix {
              inherit
                self
                nixpkgs
                crane
                rust-overlay
                host
                ;
            }
          )
        );
    in
    {
      packages = forEachHost (project: project.packages);
      apps = forEachHost (project: project.apps);
      checks = forEachHost (project: project.checks);
      devShells = forEachHost (project: project.devShells);
      formatter = forEachHost (project: project.formatter);

      templates.default = {
        path = ./.;
        description = "A new service that begins as a copy of this one";
      };
    };
}
