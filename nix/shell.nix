# A shell with everything that ./test uses: what CI has is what a developer has.
{
  pkgs,
  rust,
  terraform,
}:
let
  inherit (pkgs) lib;
in
pkgs.mkShell {
  packages = [
    rust.toolchain
    terraform
  ]
  ++ (with pkgs; [
    cargo-nextest
    nginx
    nixfmt
    nodejs
    postgresql_17
    python3
    shellcheck
    shfmt
    skopeo
    valkey
  ])
  # nixpkgs has these for Linux only; a Mac has its own browser and runs containers in a virtual machine.
  ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
    pkgs.chromium
    pkgs.podman
  ];
}
