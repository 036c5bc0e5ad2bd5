"""The programs that write and measure images, with what the stand-in does not show: nixpkgs' names and a Mac's store."""

import io
import pathlib
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
sys.path += [f"{ROOT}/nix/oci", f"{ROOT}/nix/images", f"{ROOT}/tests/nix"]
import archive
import budgets
import foreign


class Archive(unittest.TestCase):
    def test_names_that_nix_changes_on_a_mac_are_as_on_linux(self):
        """libutil/archive.cc: with use-case-hack, a name that differs from an earlier one by case only gets this suffix."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ["terminfo/X/xterm", "terminfo/x~nix~case~hack~1/xterm", "a~nix~case~hack~x"]:
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
            layer = archive.Layer()
            layer.add_tree(folder, "")
            with tarfile.open(fileobj=io.BytesIO(layer.tar())) as tar:
                files = [entry.name for entry in tar if entry.isreg()]
        self.assertEqual(files, ["a~nix~case~hack~x", "terminfo/X/xterm", "terminfo/x/xterm"])


class Budgets(unittest.TestCase):
    def test_libraries_of_a_compiler_are_allowed_and_the_compiler_is_not(self):
        """Names of outputs as store paths on cache.nixos.org have them."""
        for name in ["gcc-15.2.0-lib", "gcc-15.2.0-libgcc", "systemd-minimal-libs-258.3", "llvm-21.1.2-lib", "perl5.42-URI"]:
            self.assertIsNone(budgets.UNWANTED.match(name), name)
        for name in ["gcc-15.2.0", "gcc-wrapper-15.2.0", "clang-21.1.2", "python3-3.13.9", "perl-5.42.0", "systemd-258.3", "binutils-2.44"]:
            self.assertIsNotNone(budgets.UNWANTED.match(name), name)


class Foreign(unittest.TestCase):
    def test_only_what_this_flake_defines_is_ours(self):
        for name in ["slipway-0.1.0", "slipway-deps-0.1.0", "slipway-0.1.0-arm64.oci.tar", "nginx-aarch64-linux-musl-1.30.4",
                     "postgres-links", "postgres-entrypoint-0.1.0", "pcre2-8-aarch64-linux-musl", "image-base"]:
            self.assertTrue(foreign.is_ours(name), name)
        for name in ["python3.13-imagesize-1.4.1", "postgresql-17.6", "nginx-1.30.4", "zlib-1.3.1"]:
            self.assertFalse(foreign.is_ours(name), name)


if __name__ == "__main__":
    unittest.main()
