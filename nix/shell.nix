# A shell with everything that ./test uses: what CI has is what a developer has. `./test nix` compares it with the programs of
# tests/stages.sh.
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
    # Not the wrapped one, which would take the place of the host's compiler.
    llvmPackages.clang-unwrapped
    curl
    git
    gnumake
    jq
    libfaketime
    lld
    llvm
    nginx
    nix
    nixfmt
    nodejs
    patchelf
    pgbouncer
    postgresql_17
    prometheus
    python3
    shellcheck
    shfmt
    skopeo
    valkey
    wrk
    zstd
  ])
  # nixpkgs has these for Linux only; a Mac has its own browser and runs containers in a virtual machine.
  ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
    pkgs.catatonit
    pkgs.chromium
    pkgs.podman
    pkgs.qemu-user
    pkgs.runc
  ];
}
