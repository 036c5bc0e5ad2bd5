# The Rust toolchain that rust-toolchain.toml names, with the standard libraries of the images' platforms, and crane on
# top of it. The toolchain is the official one, downloaded: the compiler that nixpkgs builds cannot use the official
# standard library of another platform, and would have to be compiled again for it.
{
  pkgs,
  crane,
  rust-overlay,
  platforms,
}:
let
  inherit (pkgs) lib;
  pinned = (lib.importTOML ../rust-toolchain.toml).toolchain;
  musl = platform: "${platform.cpu}-unknown-linux-musl";
  toolchainFor =
    hostPkgs:
    (rust-overlay.lib.mkRustBin { } hostPkgs).fromRustupToolchain (
      pinned // { targets = map musl (lib.attrValues platforms); }
    );
in
{
  toolchain = toolchainFor pkgs;
  crane = (crane.mkLib pkgs).overrideToolchain toolchainFor;
}
