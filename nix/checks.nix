# What `nix flake check` builds: one derivation for each check. Clippy and the tests share the dependencies, compiled once.
#
# The tests that need PostgreSQL, Valkey, nginx, a browser or a container engine are ./test, which runs where they can be
# started; here is what a build sandbox can do.
{
  pkgs,
  rust,
  source,
  release,
  packages,
  hostPrograms,
  nginxConf,
}:
let
  inherit (pkgs) lib;
  inherit (rust) crane;

  common = {
    pname = release.name;
    inherit (release) version;
    src = source.tests;
    strictDeps = true;
    # Unoptimised: link-time optimisation of every test binary would take minutes and find nothing.
    CARGO_PROFILE = "dev";
  };
  withDependencies = common // {
    cargoArtifacts = crane.buildDepsOnly common;
  };

  imagesOf = suffix: [
    packages."image${suffix}"
    packages."image-valkey${suffix}"
    packages."image-postgres${suffix}"
  ];
in
{
  server = packages.default;

  clippy = crane.cargoClippy (
    withDependencies // { cargoClippyExtraArgs = "--workspace --all-targets -- -D warnings"; }
  );

  unit-tests = crane.cargoTest (
    withDependencies // { cargoTestExtraArgs = "--workspace --lib --bins"; }
  );

  rustfmt = crane.cargoFmt common;

  # The committed document is the one that the server gives.
  openapi = pkgs.runCommand "check-openapi" { } ''
    diff -u ${../openapi.json} ${packages.openapi} || {
      echo "openapi.json is out of date: cargo run -- openapi >openapi.json" >&2
      exit 1
    }
    touch $out
  '';

  # No image is larger than a deploy should carry, and none holds what a server has no use for.
  image-budgets =
    pkgs.runCommand "check-image-budgets"
      {
        nativeBuildInputs = [
          pkgs.python3
          pkgs.zstd
        ];
      }
      ''
        python3 ${./images/budgets.py} ${toString (imagesOf "")} | tee $out
      '';
}
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
  # The nginx that ships accepts the configuration that ships.
  nginx-conf = pkgs.runCommand "check-nginx-conf" { } ''
    ln -s ${nginxConf} nginx.conf
    touch trusted-proxies.conf allowed-origins.conf exposed-headers.conf $out
    ${lib.getExe hostPrograms.nginx} -t -e stderr -p "$PWD" -c "$PWD/nginx.conf"
  '';
}
