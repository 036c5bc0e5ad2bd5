# What starts PostgreSQL in its image. A derivation of its own: a change of the server leaves the image as it is.
{
  rust,
  source,
  release,
  cargoEnvironment,
}:
let
  common = cargoEnvironment // {
    pname = "postgres-entrypoint";
    inherit (release) version;
    src = source.server;
    strictDeps = true;
    cargoExtraArgs = "--locked --package postgres-entrypoint";
    doCheck = false;
    dontStrip = true;
  };
in
rust.crane.buildPackage (common // { cargoArtifacts = rust.crane.buildDepsOnly common; })
