# Valkey for the images: static, 3.4 MB with its client, without TLS (it listens on loopback) and without jemalloc. The
# source is the one of nixpkgs, whose own build would bring systemd, some 100 MB.
{ pkgs, cross }:
pkgs.stdenvNoCC.mkDerivation {
  pname = "valkey-${cross.triple}";
  inherit (pkgs.valkey) version src;
  patches = cross.patchesOf pkgs.valkey [ ];
  nativeBuildInputs = cross.tools;

  # Otherwise the name and the clock of the machine that built it would be a part of the program.
  SOURCE_DATE_EPOCH = 1;

  # On the command line, these hold for the makefiles of the bundled libraries, too, and win over what they find out about
  # the host.
  makeFlags = [
    "-C"
    "src"
    "uname_S=Linux"
    "uname_M=${cross.cpu}"
    "CC=cc"
    "AR=llvm-ar"
    "RANLIB=llvm-ranlib"
    "OPTIMIZATION=-O2"
    "CFLAGS=-fstack-protector-strong"
    "LDFLAGS="
    "MALLOC=libc"
    "BUILD_TLS=no"
    "USE_SYSTEMD=no"
    # The server asks for no script. From 9.1 on Lua is a module, which a static program cannot load, and without this the
    # server ends at its start; until then the setting is not known and Lua is a part of it.
    "BUILD_LUA=no"
  ];
  dontConfigure = true;
  buildPhase = "make $makeFlags -j$NIX_BUILD_CORES valkey-server valkey-cli";
  installPhase = ''
    mkdir -p $out/bin
    for program in valkey-server valkey-cli; do
      llvm-strip -o $out/bin/$program src/$program
    done
  '';
  dontFixup = true;
  meta.mainProgram = "valkey-server";
}
