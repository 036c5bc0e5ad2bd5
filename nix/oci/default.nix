# An OCI image as an archive (`podman load`, `skopeo copy oci-archive:…`), made without a container engine.
#
# Why not dockerTools: it writes docker archives, which every tool compresses again on push, so that the digest in the
# registry is not the one that was built. Here the digest is known when the build is done, and it is the same wherever
# and however often it is built.
{ pkgs }:
{
  # Name and tag under which an engine loads it, such as `slipway:1.2.3`.
  reference,
  # As OCI spells them: `arm64` and `v8`, or `amd64` and null.
  architecture,
  variant ? null,
  # Seconds since 1970, shown as the image's age.
  created,
  # The image's configuration, as the OCI image specification spells it.
  config,
  # From the one that changes least to the one that changes most. Each is
  #   trees        derivations whose content is laid over /
  #   closures     derivations that are kept in /nix/store with everything they need
  #   directories  { path, mode, owner } that exist besides
  layers,
}:
let
  describe =
    {
      trees ? [ ],
      closures ? [ ],
      directories ? [ ],
    }:
    {
      inherit trees directories;
      storePaths =
        if closures == [ ] then null else "${pkgs.closureInfo { rootPaths = closures; }}/store-paths";
    };
  image = pkgs.writeText "image.json" (
    builtins.toJSON {
      inherit
        reference
        architecture
        variant
        created
        config
        ;
      layers = map describe layers;
    }
  );
in
pkgs.runCommand "${builtins.replaceStrings [ ":" ] [ "-" ] reference}-${architecture}.oci.tar" {
  nativeBuildInputs = [
    pkgs.python3
    pkgs.zstd
  ];
  passthru = { inherit reference architecture; };
} "python3 ${./archive.py} ${image} $out"
