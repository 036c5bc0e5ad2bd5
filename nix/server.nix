# The server. Its dependencies are a derivation of their own, so a change of the source compiles only the source.
{
  rust,
  source,
  release,
  cargoEnvironment,
}:
let
  common = cargoEnvironment // {
    pname = release.name;
    inherit (release) version;
    src = source.server;
    strictDeps = true;
    cargoExtraArgs = "--locked --package ${release.name}";
    # The tests are checks of their own (checks.nix), and those of another platform cannot run here.
    doCheck = false;
    # Cargo strips the binary (profile.release): a host's own strip may not know the target's format.
    dontStrip = true;
  };
in
rust.crane.buildPackage (
  common
  // {
    cargoArtifacts = rust.crane.buildDepsOnly common;
    meta.mainProgram = release.name;
  }
)
