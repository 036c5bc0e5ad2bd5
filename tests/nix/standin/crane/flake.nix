# In the place of crane: the same functions, with the crates of this machine's CARGO_HOME and the target directory of the
# checkout for all builds, in which what other tests have compiled is not compiled again (crane keeps the dependencies of
# each in the store). Only what ships is optimised while linking. See ../README.md.
{
  outputs =
    { self }:
    let
      machine = builtins.fromJSON (builtins.readFile ./machine.json);

      libraryFor =
        pkgs: toolchain:
        let
          cargo =
            purpose: phases: arguments:
            pkgs.stdenvNoCC.mkDerivation (
              removeAttrs arguments [
                "cargoArtifacts"
                "cargoExtraArgs"
                "cargoClippyExtraArgs"
                "cargoTestExtraArgs"
                "doCheck"
                "strictDeps"
              ]
              // {
                pname = "${arguments.pname}${purpose}";
                nativeBuildInputs = [ toolchain ];
                configurePhase = ''
                  export CARGO_HOME=${machine.cargoHome} CARGO_TARGET_DIR=${machine.targetFolder} CARGO_NET_OFFLINE=true
                  export CARGO_PROFILE=''${CARGO_PROFILE-release}
                  case ''${CARGO_BUILD_TARGET-} in aarch64-*) ;; *) export CARGO_PROFILE_RELEASE_LTO=off ;; esac
                  folder=''${CARGO_PROFILE/#dev/debug}
                '';
              }
              // phases
            );
          options =
            arguments: extra: "--profile \"$CARGO_PROFILE\" ${arguments.cargoExtraArgs or "--locked"} ${extra}";
        in
        {
          overrideToolchain = libraryFor pkgs;
          buildDepsOnly = arguments: pkgs.writeText "${arguments.pname}-deps" "in the target directory";
          buildPackage =
            arguments:
            cargo "" {
              buildPhase = "cargo build ${options arguments ""}";
              installPhase = ''
                mkdir -p $out/bin
                find "$CARGO_TARGET_DIR/''${CARGO_BUILD_TARGET-}/$folder" -maxdepth 1 -type f -executable \
                  -name "$pname" -exec install -t $out/bin {} +
              '';
            } arguments;
          # Called by their own names: `cargo clippy` would look in CARGO_HOME first, where rustup's proxies are.
          cargoClippy =
            arguments:
            cargo "-clippy" {
              buildPhase = "cargo-clippy clippy ${options arguments arguments.cargoClippyExtraArgs}";
              installPhase = "touch $out";
            } arguments;
          cargoTest =
            arguments:
            cargo "-test" {
              buildPhase = "cargo test ${options arguments arguments.cargoTestExtraArgs}";
              installPhase = "touch $out";
            } arguments;
          cargoFmt =
            arguments:
            cargo "-fmt" {
              buildPhase = "cargo-fmt fmt --all --check";
              installPhase = "touch $out";
            } arguments;
        };
    in
    {
      mkLib = pkgs: {
        overrideToolchain = toolchainFor: libraryFor pkgs (toolchainFor pkgs);
      };
    };
}
