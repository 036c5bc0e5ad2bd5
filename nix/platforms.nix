# The platforms that images are built for, under the names that OCI gives them. AWS runs arm64; amd64 is for trying an
# image natively on an x86 machine.
{
  arm64 = {
    system = "aarch64-linux";
    cpu = "aarch64";
    variant = "v8";
  };
  amd64 = {
    system = "x86_64-linux";
    cpu = "x86_64";
    variant = null;
  };
}
