# The three images of a task, for one platform.
{
  pkgs,
  foreign,
  platform,
  programs,
  nginxConf,
  release,
}:
let
  buildImage = import ../oci { inherit pkgs; };
  context = {
    inherit
      pkgs
      foreign
      programs
      nginxConf
      release
      ;
    inherit (import ./base.nix { inherit pkgs; }) user base programTree;
    image =
      arguments:
      buildImage (
        {
          architecture = if platform.cpu == "aarch64" then "arm64" else "amd64";
          inherit (platform) variant;
        }
        // arguments
      );
  };
in
{
  app = import ./app.nix context;
  valkey = import ./valkey.nix context;
  postgres = import ./postgres.nix context;
}
