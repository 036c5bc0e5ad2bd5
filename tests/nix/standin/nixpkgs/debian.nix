# Packages made from Debian's: what the public cache gives on a machine that reaches it, so they are "substituted", that
# is built on this machine, whatever system they are for.
{
  lib,
  machine,
  cpu,
}:
let
  architecture =
    {
      x86_64 = "amd64";
      aarch64 = "arm64";
    }
    .${cpu};
in
rec {
  # A package of programs and files, with the shared libraries that they need. `trees` says what goes where.
  package =
    pname:
    {
      programs ? [ ],
      trees ? { },
      without ? [ ],
      afterwards ? "",
      mainProgram ? pname,
    }:
    let
      inherit (machine.packages.${pname}) version;
      archives = map (
        file: ./. + "/debs/${architecture}/${file}"
      ) machine.packages.${pname}.files.${architecture};
      plan = builtins.toFile "plan.json" (
        builtins.unsafeDiscardStringContext (
          builtins.toJSON {
            inherit programs trees without;
            triple = "${cpu}-linux-gnu";
          }
        )
      );
    in
    builtins.derivation {
      system = machine.system;
      name = "${pname}-${version}";
      builder = "/bin/bash";
      args = [
        "-ec"
        ''
          export PATH=/usr/bin:/bin
          python3 ${./debian-package.py} ${plan} $out ${
            lib.concatMapStringsSep " " (archive: "${archive}") archives
          }
          ${afterwards}
        ''
      ];
    }
    // {
      inherit pname version;
      meta = { inherit mainProgram; };
    };
}
