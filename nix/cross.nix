# How a host compiles for an image's platform without building a compiler: clang compiles for every platform, so the
# host's own (cached) clang and lld do it, with musl and compiler-rt of the target, which come from the public cache like
# every other package of that platform. No program of the target runs.
{
  pkgs,
  foreign,
  platform,
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.llvmPackages) clang-unwrapped lld llvm;
  triple = "${platform.cpu}-linux-musl";
  rustTarget = "${platform.cpu}-unknown-linux-musl";

  clang = lib.getExe' clang-unwrapped "clang";
  linker = lib.getExe' lld "ld.lld";
  clangHeaders = "${lib.getLib clang-unwrapped}/lib/clang/${lib.versions.major clang-unwrapped.version}/include";
  muslLibraries = "${lib.getLib foreign.musl}/lib";
  compilerRuntime = "${lib.getLib foreign.llvmPackages.compiler-rt}/lib/linux/libclang_rt.builtins-${platform.cpu}.a";

  compileFlags = [
    "--target=${triple}"
    "-nostdlibinc"
    "-isystem ${clangHeaders}"
    "-isystem ${lib.getDev foreign.musl}/include"
  ];

  # A C compiler as configure scripts and makefiles know it. Programs are static and position-independent, so that they
  # need nothing of the image and still get a random address.
  cc = pkgs.writeTextFile {
    name = "cc-${triple}";
    executable = true;
    destination = "/bin/cc";
    text = ''
      #!${pkgs.runtimeShell}
      compile=(${toString compileFlags} -fPIE)
      for argument; do
        case $argument in
          -c | -S | -E | -M | -MM | -fsyntax-only) exec ${clang} "''${compile[@]}" "$@" ;;
        esac
      done
      exec ${clang} "''${compile[@]}" -Wno-unused-command-line-argument -static-pie -nostdlib --ld-path=${linker} \
        -Wl,-z,relro,-z,now ${muslLibraries}/rcrt1.o ${muslLibraries}/crti.o "$@" \
        -L${muslLibraries} -Wl,--start-group -lc ${compilerRuntime} -Wl,--end-group ${muslLibraries}/crtn.o
    '';
  };
in
rec {
  inherit cc triple;
  inherit (platform) cpu;
  tools = [
    cc
    (lib.getBin llvm)
  ];

  # The patches that nixpkgs has for a package, since it mends vulnerabilities by them; without those that have one of these
  # words in their names, for a reason that stands where they are left out.
  patchesOf =
    package: words:
    builtins.filter (
      patch: !builtins.any (word: lib.hasInfix word (baseNameOf (toString patch))) words
    ) (package.patches or [ ]);

  # A static library of C files, for sources whose own configure scripts would run what they compile.
  staticLibrary =
    {
      name,
      src,
      patches ? [ ],
      prepare ? "",
      files,
      flags ? "",
      headers,
    }:
    pkgs.stdenvNoCC.mkDerivation {
      name = "${name}-${triple}";
      inherit src patches;
      nativeBuildInputs = tools;
      dontConfigure = true;
      buildPhase = ''
        ${prepare}
        for file in ${files}; do
          cc -O2 ${flags} -c "$file" -o "''${file%.c}.o"
          objects+=" ''${file%.c}.o"
        done
        llvm-ar rcsD lib${name}.a $objects
      '';
      installPhase = ''
        mkdir -p $out/lib $out/include
        cp lib${name}.a $out/lib/
        cp ${headers} $out/include/
      '';
      dontFixup = true;
    };

  # What makes cargo build for the platform. The C library comes with Rust's own standard library for musl.
  cargoEnvironment =
    let
      name = builtins.replaceStrings [ "-" ] [ "_" ] rustTarget;
      NAME = lib.toUpper name;
    in
    {
      CARGO_BUILD_TARGET = rustTarget;
      "CC_${name}" = clang;
      "AR_${name}" = lib.getExe' llvm "llvm-ar";
      "CFLAGS_${name}" = toString compileFlags;
      "CARGO_TARGET_${NAME}_LINKER" = linker;
      "CARGO_TARGET_${NAME}_RUSTFLAGS" =
        "-Clinker-flavor=ld.lld -Clink-self-contained=yes -Ctarget-feature=+crt-static";
    };
}
