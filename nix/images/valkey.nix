# Valkey: a cache in memory that writes nothing. Its digest does not depend on the commit, so a release of the server
# does not push it again.
{
  programs,
  release,
  image,
  user,
  base,
  programTree,
  ...
}:
image {
  reference = "${release.name}-valkey:${programs.valkey.version}";
  created = 1;
  layers = [
    {
      trees = [
        (base "valkey")
        (programTree "valkey" {
          programs = [
            "${programs.valkey}/bin/valkey-server"
            "${programs.valkey}/bin/valkey-cli"
          ];
          files."/etc/valkey/valkey.conf" = ./valkey.conf;
        })
      ];
    }
  ];
  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [
      "/bin/valkey-server"
      "/etc/valkey/valkey.conf"
    ];
    ExposedPorts."6379/tcp" = { };
    StopSignal = "SIGTERM";
    Env = [ "PATH=/bin" ];
    Labels = {
      "org.opencontainers.image.title" = "${release.name}-valkey";
      "org.opencontainers.image.source" = release.repository;
      "org.opencontainers.image.version" = programs.valkey.version;
      "org.opencontainers.image.licenses" = "BSD-3-Clause";
    };
  };
}
