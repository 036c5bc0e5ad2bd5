# In the place of nixpkgs: see ../README.md.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
    in
    {
      inherit lib;
      # 26.05 is the last release of nixpkgs with x86_64-darwin (its release notes; NixOS/nixpkgs#535855).
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (
        system: import ./packages.nix { inherit lib system; }
      );
    };
}
