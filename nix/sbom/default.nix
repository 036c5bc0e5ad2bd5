# The software bill of materials of the images, as CycloneDX 1.6.
{
  pkgs,
  release,
  foreign,
  programs,
}:
let
  bundled = name: licence: {
    inherit name licence;
    inherit (pkgs.${name}) version;
  };
  description = pkgs.writeText "sbom-input.json" (
    builtins.toJSON {
      inherit (release)
        name
        version
        license
        revision
        ;
      rootPackages = [
        release.name
        "postgres-entrypoint"
      ];
      # Compiled into the static programs.
      bundled = [
        (bundled "nginx" "BSD-2-Clause")
        (bundled "pcre2" "BSD-3-Clause")
        (bundled "zlib" "Zlib")
        (bundled "valkey" "BSD-3-Clause")
        {
          name = "musl";
          licence = "MIT";
          inherit (foreign.musl) version;
        }
      ];
      # In the PostgreSQL image as they are in the store.
      storePaths = "${
        pkgs.closureInfo {
          rootPaths = [
            foreign.postgresql_17
            foreign.bash
          ];
        }
      }/store-paths";
    }
  );
in
pkgs.runCommand "sbom.cdx.json" { nativeBuildInputs = [ pkgs.python3 ]; } ''
  python3 ${./sbom.py} ${description} ${../../Cargo.toml} ${../../Cargo.lock} >$out
''
