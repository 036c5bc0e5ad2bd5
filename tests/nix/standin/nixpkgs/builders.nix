# Functions that make derivations, with the interface of nixpkgs.
#
# A derivation keeps the system it is for: what would need a builder for another system fails here as it would on a
# machine that has none.
{
  lib,
  system,
  machine,
}:
let
  shell = "/bin/bash";

  mkDerivation =
    attributes:
    let
      name = attributes.name or "${attributes.pname}-${attributes.version}";
      environment = removeAttrs attributes [
        "meta"
        "passthru"
        "strictDeps"
      ];
      derivation = builtins.derivation (
        environment
        // {
          inherit system name;
          builder = shell;
          args = [
            "-e"
            ./stdenv.sh
          ];
        }
      );
    in
    derivation
    // {
      inherit name;
      meta = attributes.meta or { };
    }
    // lib.filterAttrs (key: _: key == "pname" || key == "version") attributes
    // (attributes.passthru or { });

  runCommand =
    name: environment: buildCommand:
    mkDerivation (environment // { inherit name buildCommand; });

  writeTextFile =
    {
      name,
      text,
      destination ? "",
      executable ? false,
      meta ? { },
      checkPhase ? "",
    }:
    runCommand name
      {
        inherit text meta;
        passAsFile = [ "text" ];
      }
      ''
        target=$out${destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${lib.optionalString executable "chmod +x \"$target\""}
        ${checkPhase}
      '';
in
{
  inherit runCommand writeTextFile;
  runtimeShell = shell;
  stdenvNoCC = { inherit mkDerivation; };

  writeText = name: text: writeTextFile { inherit name text; };

  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? { },
      meta ? { },
    }:
    writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      meta = {
        mainProgram = name;
      }
      // meta;
      text = ''
        #!${shell}
        set -euo pipefail
        export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
        ${lib.concatStringsSep "\n" (
          lib.mapAttrsToList (key: value: "export ${key}=${lib.escapeShellArg value}") runtimeEnv
        )}
        ${text}
      '';
      # As nixpkgs does: pkgs/build-support/trivial-builders/default.nix.
      checkPhase = ''${machine.shellcheck} "$target"'';
    };

  closureInfo =
    { rootPaths }:
    runCommand "closure-info"
      {
        __structuredAttrs = true;
        exportReferencesGraph.closure = rootPaths;
      }
      ''
        mkdir $out
        python3 -c 'import json, os; [print(p["path"]) for p in json.load(open(os.environ["NIX_ATTRS_JSON_FILE"]))["closure"]]' |
          sort >$out/store-paths
      '';

  # Only evaluated: a developer's shell wants the real one.
  mkShell =
    attributes: runCommand "shell" { nativeBuildInputs = attributes.packages; } "export >$out";

  # Not downloaded here: what only real inputs are fetched for.
  fetchzip =
    { url, hash, ... }:
    writeTextFile {
      name = baseNameOf url;
      text = hash;
    };

  fetchurl =
    {
      url,
      sha256,
      name ? baseNameOf url,
    }:
    builtins.derivation {
      inherit system name;
      builder = shell;
      args = [
        "-c"
        "PATH=/usr/bin:/bin; curl --fail --silent --show-error --location --output $out ${url}"
      ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
    };
}
