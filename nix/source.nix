# The files that a cargo build reads. What is not listed here (documentation, Terraform, Nix itself) rebuilds nothing.
{ lib }:
let
  root = ../.;
  workspace = [
    (root + "/Cargo.toml")
    (root + "/Cargo.lock")
    (root + "/build.rs")
    (root + "/src")
    (root + "/migration")
    (root + "/postgres-entrypoint/Cargo.toml")
    (root + "/postgres-entrypoint/src")
    (root + "/web")
  ];
  withFiles =
    files:
    lib.fileset.toSource {
      inherit root;
      fileset = lib.fileset.unions files;
    };
in
{
  server = withFiles workspace;
  # Clippy and the unit tests look at the tests, too.
  tests = withFiles (
    workspace
    ++ [
      (root + "/tests/service")
      (root + "/postgres-entrypoint")
      (root + "/nix/images/postgresql.conf")
      (root + "/nix/images/pg_hba.conf")
      (root + "/openapi.json")
      (root + "/clippy.toml")
      (root + "/rustfmt.toml")
    ]
  );
}
