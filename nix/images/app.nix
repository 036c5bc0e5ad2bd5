# The app: nginx in front of the server, and the server as process 1. A change of the code changes the last layer only.
{
  pkgs,
  programs,
  nginxConf,
  release,
  image,
  user,
  base,
  programTree,
  ...
}:
image {
  reference = "${release.name}:${release.version}";
  created = release.committed;
  layers = [
    {
      trees = [
        (base "slipway")
        (programTree "certificates" {
          files."/etc/ssl/certs/ca-certificates.crt" = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
        })
      ];
      directories = [
        {
          path = "/tmp";
          mode = "1777";
          owner = 0;
        }
        {
          path = "/run/slipway";
          mode = "0755";
          owner = user;
        }
      ];
    }
    { trees = [ (programTree "nginx" { programs = [ "${programs.nginx}/bin/nginx" ]; }) ]; }
    {
      trees = [
        (programTree "server" {
          programs = [ "${programs.server}/bin/slipway" ];
          files."/etc/slipway/nginx.conf" = nginxConf;
        })
      ];
    }
  ];
  config = {
    User = "${toString user}:${toString user}";
    Entrypoint = [ "/bin/slipway" ];
    Cmd = [ "container" ];
    ExposedPorts."8080/tcp" = { };
    StopSignal = "SIGTERM";
    # The only place that is written to. Declared, so that an engine that mounts a volume there keeps the owner.
    Volumes."/run/slipway" = { };
    Env = [
      "PATH=/bin"
      "SLIPWAY_ENV=production"
      "SLIPWAY_NGINX=/bin/nginx"
      "SLIPWAY_NGINX_CONFIG=/etc/slipway/nginx.conf"
      # `slipway healthcheck` asks nginx, as the load balancer does.
      "HEALTHCHECK_ADDRESS=127.0.0.1:8080"
      "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
      # mimalloc gives memory back as soon as it is free. By default it waits for a moment in which somebody allocates, so
      # that a password hash's 19 MB stay for as long as nobody comes: 31 MB after one registration instead of 11, and no
      # faster (bench/README.md).
      "MIMALLOC_PURGE_DELAY=0"
    ];
    Labels = {
      "org.opencontainers.image.title" = release.name;
      "org.opencontainers.image.description" = "The server behind nginx";
      "org.opencontainers.image.source" = release.repository;
      "org.opencontainers.image.revision" = release.revision;
      "org.opencontainers.image.version" = release.version;
      # The server's own, nginx's, PCRE2's and zlib's.
      "org.opencontainers.image.licenses" =
        "${release.license} AND BSD-2-Clause AND BSD-3-Clause AND Zlib";
    };
  };
}
