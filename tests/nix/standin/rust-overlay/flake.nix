# In the place of rust-overlay: this machine's toolchain of the pinned version, to which `prepare` has added the standard
# libraries. See ../README.md.
{
  outputs =
    { self }:
    let
      machine = builtins.fromJSON (builtins.readFile ./machine.json);
    in
    {
      lib.mkRustBin = _: pkgs: {
        fromRustupToolchain =
          { channel, targets, ... }:
          pkgs.runCommand "rust-${channel}"
            {
              pname = "rust";
              version = channel;
            }
            ''
              [ "$(${machine.toolchain}/bin/rustc --version | cut -d' ' -f2)" = ${channel} ]
              for target in ${toString targets}; do
                [ -d ${machine.toolchain}/lib/rustlib/$target ] || { echo "no standard library for $target" >&2; exit 1; }
              done
              mkdir -p $out/bin
              ln -s ${machine.toolchain}/bin/* $out/bin/
            '';
      };
    };
}
