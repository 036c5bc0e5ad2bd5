# PostgreSQL, as nixpkgs has it in the public cache: it loads its procedural languages and dictionaries at run time, which
# a static program cannot. JIT, PL/Perl, PL/Python and the documentation are other outputs of that package and are not here.
{
  pkgs,
  foreign,
  programs,
  release,
  image,
  user,
  base,
  programTree,
  ...
}:
let
  inherit (pkgs) lib;
  postgresql = foreign.postgresql_17;

  # Links for whoever looks in /bin. What starts PostgreSQL finds the programs by their real place, which is first on PATH:
  # they look for their libraries and data relative to the name that they were called by, and nixpkgs' do not follow links
  # first (its patch relative-to-symlinks; Debian's do).
  links = pkgs.runCommand "postgres-links" { } ''
    mkdir -p $out/bin
    for program in postgres initdb pg_isready psql pg_dump pg_restore; do
      ln -s ${postgresql}/bin/$program $out/bin/$program
    done
    # initdb starts its helpers by popen(3), which needs a shell of this name.
    ln -s ${lib.getExe foreign.bash} $out/bin/sh
    # Where a PostgreSQL that was not built with a place of its own looks for time zones.
    mkdir -p $out/usr/share
    ln -s ${foreign.tzdata}/share/zoneinfo $out/usr/share/zoneinfo
  '';
in
image {
  reference = "${release.name}-postgres:${postgresql.version}";
  created = 1;
  layers = [
    {
      closures = [
        postgresql
        foreign.bash
        foreign.tzdata
      ];
    }
    {
      trees = [
        (base "postgres")
        links
        (programTree "postgres-entrypoint" {
          programs = [ "${programs.postgresEntrypoint}/bin/postgres-entrypoint" ];
          files = {
            "/etc/postgresql/postgresql.conf" = ./postgresql.conf;
            "/etc/postgresql/pg_hba.conf" = ./pg_hba.conf;
          };
        })
      ];
      directories = [
        {
          path = "/tmp";
          mode = "1777";
          owner = 0;
        }
        {
          path = "/run/postgresql";
          mode = "0755";
          owner = user;
        }
        {
          path = "/var/lib/postgresql";
          mode = "0700";
          owner = user;
        }
      ];
    }
  ];
  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [ "/bin/postgres-entrypoint" ];
    ExposedPorts."5432/tcp" = { };
    # Fast shutdown: clients are disconnected. SIGTERM would wait for them.
    StopSignal = "SIGINT";
    Volumes = {
      "/var/lib/postgresql" = { };
      "/run/postgresql" = { };
    };
    Env = [ "PATH=${postgresql}/bin:/bin" ];
    Labels = {
      "org.opencontainers.image.title" = "${release.name}-postgres";
      "org.opencontainers.image.source" = release.repository;
      "org.opencontainers.image.version" = postgresql.version;
      "org.opencontainers.image.licenses" = "PostgreSQL AND ${release.license}";
    };
  };
}
