# What the images have in common: a user without rights, and the way programs get into them.
{ pkgs }:
let
  inherit (pkgs) lib;
in
rec {
  # Everything runs as this user; volumes belong to it.
  user = 1000;

  # Names for the ids that programs look up, and nothing else: no shell, no package manager. PostgreSQL lets the user of its
  # own name in without a password, through its local socket.
  base =
    userName:
    pkgs.runCommand "image-base" { } ''
      mkdir -p $out/etc
      cat >$out/etc/passwd <<end
      root:x:0:0:root:/:/bin/false
      ${userName}:x:${toString user}:${toString user}::/:/bin/false
      nobody:x:65534:65534:Nobody:/:/bin/false
      end
      cat >$out/etc/group <<end
      root:x:0:
      ${userName}:x:${toString user}:
      nobody:x:65534:
      end
      echo 'hosts: files dns' >$out/etc/nsswitch.conf
    '';

  # A tree with these programs in /bin and these files where their names say. Copies, so that the image holds no store
  # path of the host and is the same whichever host built it.
  programTree =
    name:
    {
      programs ? [ ],
      files ? { },
    }:
    pkgs.runCommand name { } ''
      ${lib.optionalString (programs != [ ]) "install -D -m 755 -t $out/bin ${toString programs}"}
      ${lib.concatStringsSep "\n" (
        lib.mapAttrsToList (path: file: "install -D -m 644 ${file} $out${path}") files
      )}
    '';
}
