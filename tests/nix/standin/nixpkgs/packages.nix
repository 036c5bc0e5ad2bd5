# The packages of one system. Tools are those of this machine; what goes into images comes from Debian.
{ lib, system }:
let
  machine = lib.importJSON ./machine.json;
  isDarwin = lib.hasSuffix "darwin" system;
  cpu = builtins.head (builtins.split "-" system);

  builders = import ./builders.nix { inherit lib system machine; };
  inherit (builders) runCommand;
  debian = import ./debian.nix { inherit lib machine cpu; };

  # A package whose programs are those of this machine. On another system it only has a name: nothing is built there.
  fromMachine =
    pname:
    {
      version ? "0",
      programs ? [ pname ],
      mainProgram ? pname,
    }:
    runCommand pname
      {
        inherit pname version;
        meta = { inherit mainProgram; };
      }
      ''
        mkdir -p $out/bin
        for program in ${toString programs}; do
          ln -s "$(type -P "$program" || { echo "this machine has no $program" >&2; exit 1; })" $out/bin/$program
        done
      '';

  bash = debian.package "bash" { programs = [ "usr/bin/bash" ]; };
  # Only its name matters here, which is that of the output in store paths of cache.nixos.org.
  cxxRuntime = builtins.derivation {
    inherit (machine) system;
    name = "gcc-15.2.0-lib";
    builder = "/bin/bash";
    args = [
      "-c"
      "echo 'libstdc++.so.6' >$out"
    ];
  };

  # Sources, as Debian distributes them unchanged.
  sourceOf = name: {
    inherit (machine.sources.${name}) version;
    src = ./. + "/sources/${machine.sources.${name}.file}";
  };
in
builders
// {
  inherit lib;
  stdenv = builders.stdenvNoCC // {
    hostPlatform = {
      inherit isDarwin system;
      isLinux = !isDarwin;
      isAarch64 = cpu == "aarch64";
    };
  };

  # As nixpkgs has them: one that would break a build for images, and others that mend something.
  nginx = fromMachine "nginx" { } // sourceOf "nginx" // { patches = [ ./nix-etag-1.15.4.patch ]; };
  valkey = fromMachine "valkey" { mainProgram = "valkey-server"; } // sourceOf "valkey";
  pcre2 = sourceOf "pcre2";
  zlib = sourceOf "zlib" // {
    patches = [ ./zlib-notice.patch ];
  };

  llvmPackages = {
    clang-unwrapped =
      runCommand "clang-unwrapped"
        {
          pname = "clang";
          inherit (machine.clang) version;
        }
        ''
          mkdir -p $out/bin $out/lib/clang
          ln -s "$(type -P clang)" $out/bin/clang
          ln -s ${machine.clang.resources} $out/lib/clang/${lib.versions.major machine.clang.version}
        '';
    lld = fromMachine "lld" { programs = [ "ld.lld" ]; };
    llvm = fromMachine "llvm" {
      programs = [
        "llvm-ar"
        "llvm-ranlib"
        "llvm-strip"
      ];
    };
    compiler-rt = debian.package "compiler-rt" {
      trees."usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.builtins-${cpu}.a" = "lib/linux/";
    };
  };
  musl = debian.package "musl" {
    trees = {
      "usr/include/${cpu}-linux-musl" = "include";
      "usr/lib/${cpu}-linux-musl" = "lib";
    };
    # Debian leaves this header to another C library's package.
    afterwards = "echo '#include <unistd.h>' >$out/include/crypt.h";
  };

  inherit bash;
  postgresql_17 = debian.package "postgresql" {
    trees = {
      "usr/lib/postgresql/17" = "lib/postgresql/17";
      "usr/share/postgresql/17" = "share/postgresql/17";
    };
    without = [
      "usr/lib/postgresql/17/lib/llvmjit*"
      "usr/lib/postgresql/17/lib/bitcode"
      "usr/lib/postgresql/17/lib/pgxs"
    ];
    # As in nixpkgs: share/postgresql is the data directory, and a program looks for it beside the folder of the name that it
    # was called by, whether or not that is a link (pkgs/servers/sql/postgresql/patches/relative-to-symlinks-16+.patch). And
    # its closure has the C++ runtime by this name, which ICU needs.
    afterwards = ''
      mkdir -p $out/bin
      ln -s 17/postgres.bki $out/share/postgresql/postgres.bki
      for program in $out/lib/postgresql/17/bin/*; do
        ln -s "$program" $out/bin/
      done
      # Clients need no data.
      for program in postgres initdb; do
        rm $out/bin/$program
        sed "s|@shell@|${bash}/bin/bash|; s|@program@|$out/lib/postgresql/17/bin/$program|" \
          ${./relative-to-symlinks.sh} >$out/bin/$program
        chmod +x $out/bin/$program
      done
      ln -s ${cxxRuntime} $out/lib/cxx-runtime
    '';
    mainProgram = "postgres";
  };

  tzdata = debian.package "tzdata" { trees."usr/share/zoneinfo" = "share/zoneinfo"; };

  awscli2 = fromMachine "awscli2" { programs = [ "aws" ]; };
  coreutils = fromMachine "coreutils" { programs = [ "cat" ]; };
  gawk = fromMachine "gawk" { programs = [ "awk" ]; };
  gnugrep = fromMachine "gnugrep" { programs = [ "grep" ]; };
  gnused = fromMachine "gnused" { programs = [ "sed" ]; };
  gnutar = fromMachine "gnutar" { programs = [ "tar" ]; };

  cacert = runCommand "cacert" { } ''
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt $out/etc/ssl/certs/ca-bundle.crt
  '';
}
// lib.genAttrs [
  "curl"
  "git"
  "jq"
  "python3"
  "zstd"

  # Only evaluated, for the developer's shell.
  "cargo-nextest"
  "catatonit"
  "chromium"
  "gnumake"
  "libfaketime"
  "lld"
  "llvm"
  "nix"
  "patchelf"
  "pgbouncer"
  "prometheus"
  "qemu-user"
  "runc"
  "wrk"
  "nixfmt"
  "nixfmt-tree"
  "nodejs"
  "podman"
  "shellcheck"
  "shfmt"
  "skopeo"
  "ssm-session-manager-plugin"
] (name: fromMachine name { })
