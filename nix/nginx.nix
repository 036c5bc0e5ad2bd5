# nginx for the images: static, 1.1 MB, with the modules that nginx-conf.nix uses and no others. The source is the one of
# nixpkgs. Debian's or nixpkgs' own build would bring OpenSSL, libxml2, libxslt and glibc, some 15 MB that are not used.
{ pkgs, cross }:
let
  inherit (pkgs) lib;

  # Regular expressions of `location` and `map`. The files that upstream ships for builds without its configure script
  # have these suffixes; the sources left out are included by others, or are programs.
  pcre2 = cross.staticLibrary {
    name = "pcre2-8";
    inherit (pkgs.pcre2) src;
    patches = cross.patchesOf pkgs.pcre2 [ ];
    prepare = ''
      cp src/config.h.generic src/config.h
      cp src/pcre2.h.generic src/pcre2.h
      cp src/pcre2_chartables.c.dist src/pcre2_chartables.c
    '';
    files = "$(printf '%s\n' src/pcre2_*.c | grep -vE '_(dftables|fuzzsupport|jit_match|jit_misc|jit_test|printint|ucptables)')";
    flags = "-Isrc -DHAVE_CONFIG_H -DPCRE2_STATIC -DPCRE2_CODE_UNIT_WIDTH=8 -DSUPPORT_UNICODE";
    headers = "src/pcre2.h";
  };

  zlib = cross.staticLibrary {
    name = "z";
    inherit (pkgs.zlib) src;
    patches = cross.patchesOf pkgs.zlib [ ];
    files = "*.c";
    flags = "-D_LARGEFILE64_SOURCE=1 -DHAVE_UNISTD_H";
    headers = "zlib.h zconf.h";
  };

  unusedModules = [
    "auth_basic"
    "autoindex"
    "browser"
    "charset"
    "empty_gif"
    "fastcgi"
    "geo"
    "grpc"
    "memcached"
    "mirror"
    "referer"
    "scgi"
    "split_clients"
    "ssi"
    "upstream_hash"
    "upstream_ip_hash"
    "upstream_least_conn"
    "upstream_random"
    "upstream_zone"
    "userid"
    "uwsgi"
  ];
in
pkgs.stdenvNoCC.mkDerivation {
  pname = "nginx-${cross.triple}";
  inherit (pkgs.nginx) version src;
  # nix-etag makes entity tags of paths in the Nix store, which our nginx serves no files from; nix-skip-check-logs-path lets
  # `nginx -t` pass in nixpkgs' own build.
  patches = cross.patchesOf pkgs.nginx [
    "nix-etag"
    "nix-skip-check-logs-path"
  ];
  nativeBuildInputs = cross.tools;

  # The configure script runs the programs that it compiles. A feature that compiles and links also works on the Linux
  # that we know; both platforms are little-endian; and the compiler itself knows the sizes of types.
  postPatch = ''
    substituteInPlace auto/feature --replace-fail '/bin/sh -c $NGX_AUTOTEST' true
    substituteInPlace auto/endianness --replace-fail 'if $NGX_AUTOTEST' 'if true'
    substituteInPlace auto/types/sizeof --replace-fail '`$NGX_AUTOTEST`' '$(. ${./nginx-sizeof.sh})'
    # No directive leaves out the line that says whose server it is.
    substituteInPlace src/http/ngx_http_header_filter_module.c --replace-fail '"Server: nginx" CRLF' '""'
  '';

  configurePhase = ''
    configure=./configure
    [ -x $configure ] || configure=auto/configure
    $configure --crossbuild=Linux:6.1:${cross.cpu} --with-cc=cc \
      --with-cc-opt="-O2 -fstack-protector-strong -Wno-error -DPCRE2_STATIC -I${pcre2}/include -I${zlib}/include" \
      --with-ld-opt="-L${pcre2}/lib -L${zlib}/lib" \
      --prefix=/ --sbin-path=/bin/nginx --with-http_realip_module \
      ${lib.concatMapStringsSep " " (name: "--without-http_${name}_module") unusedModules}
    # What `nginx -V` prints would name paths of the host that built it.
    sed -i -E 's|^#define NGX_(CONFIGURE\|COMPILER) .*|#define NGX_\1 ""|' objs/ngx_auto_config.h
  '';
  buildPhase = "make -f objs/Makefile binary -j$NIX_BUILD_CORES";
  installPhase = ''
    mkdir -p $out/bin
    llvm-strip -o $out/bin/nginx objs/nginx
  '';
  dontFixup = true;
  meta.mainProgram = "nginx";
}
