"""What can be seen of the images without running them."""

import os
import struct
import subprocess
from datetime import datetime, timezone

from specification import ARCHITECTURES, PARTS, Specification

MB = 1_000_000
# What a deploy uploads and every new task downloads before it can start, compressed.
BUDGETS = {"app": 25 * MB, "all three": 90 * MB}

PROGRAMS = {
    "app": {"nginx", "slipway"},
    "valkey": {"valkey-server", "valkey-cli"},
}
SHELLS_AND_PACKAGE_MANAGERS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "apk", "apt", "apt-get", "dpkg", "rpm", "nix"}
ENTRY_POINTS = {
    "app": ["/bin/slipway", "container"],
    "valkey": ["/bin/valkey-server", "/etc/valkey/valkey.conf"],
    "postgres": ["/bin/postgres-entrypoint"],
}
PORTS = {"app": "8080/tcp", "valkey": "6379/tcp", "postgres": "5432/tcp"}
# PostgreSQL: fast shutdown.
STOP_SIGNALS = {"app": "SIGTERM", "valkey": "SIGTERM", "postgres": "SIGINT"}

# e_machine of the ELF header.
MACHINES = {"arm64": 183, "amd64": 62}
OCI_LABEL = "org.opencontainers.image."


class TheArchives(Specification):
    """All six of them."""

    def setUp(self):
        self.all = self.images.all.items()

    def every_blob_is_what_its_digest_says(self):
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                self.assertEqual(image.wrong_digests(), [])

    def an_ordinary_user_can_look_into_every_archive(self):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                inspect = ["skopeo", "inspect", "--config", f"oci-archive:{os.path.realpath(image.path)}"]
                result = subprocess.run([*nobody, *inspect], env=os.environ | {"HOME": "/"}, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)

    def every_image_and_every_program_in_it_is_for_its_platform(self):
        for (part, architecture), image in self.all:
            variant = {"variant": "v8"} if architecture == "arm64" else {}
            platform = {"os": "linux", "architecture": architecture} | variant
            with self.subTest(part, architecture=architecture):
                self.assertEqual(image.descriptor["platform"], platform)
                self.assertEqual({key: image.configuration.get(key) for key in platform}, platform)
                programs = {name: head for name, (_, head) in image.files.items() if head.startswith(b"\x7fELF")}
                wrong = [name for name, head in programs.items() if _machine(head) != MACHINES[architecture]]
                self.assertTrue(programs)
                self.assertEqual(wrong, [])

    def every_image_runs_its_entry_point_as_a_user_without_rights(self):
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                self.assertEqual(image.config["User"], "1000:1000")
                self.assertEqual(image.config["Entrypoint"] + image.config.get("Cmd", []), ENTRY_POINTS[part])
                self.assertEqual(list(image.config["ExposedPorts"]), [PORTS[part]])
                self.assertEqual(image.config["StopSignal"], STOP_SIGNALS[part])

    def labels_say_where_an_image_comes_from(self):
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                labels = image.config["Labels"]
                self.assertEqual(labels, image.manifest["annotations"])
                for label in ["title", "source", "version", "licenses"]:
                    self.assertTrue(labels.get(OCI_LABEL + label), label)
                self.assertTrue(labels[OCI_LABEL + "source"].startswith("https://"))
                self.assertEqual(OCI_LABEL + "revision" in labels, part == "app")

    def the_time_of_an_image_is_not_that_of_its_build(self):
        commit = _time_of_the_commit()
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                expected = commit if part == "app" else "1970-01-01T00:00:01Z"
                self.assertEqual(image.configuration["created"], expected)
                self.assertEqual({entry.mtime for entry, _ in image.files.values()}, {1})

    def no_file_gives_rights_and_only_the_temporary_folder_is_everybodys(self):
        for (part, architecture), image in self.all:
            with self.subTest(part, architecture=architecture):
                entries = {name: entry for name, (entry, _) in image.files.items()}
                self.assertEqual([name for name, entry in entries.items() if entry.mode & 0o6000], [])
                writable = [name for name, entry in entries.items() if entry.mode & 0o002 and not entry.issym()]
                self.assertEqual(writable, ["/tmp"] if "/tmp" in entries else [])
                # The rest is root's, so that a program that was taken over cannot change its files.
                own = [name for name, entry in entries.items() if entry.uid != 0 and not entry.isdir()]
                self.assertEqual(own, [])

    def the_app_and_valkey_have_their_programs_and_neither_a_shell_nor_a_package_manager(self):
        for (part, architecture), image in self.all:
            if part not in PROGRAMS:
                continue
            with self.subTest(part, architecture=architecture):
                executable = {name for name, (entry, _) in image.files.items() if entry.isreg() and entry.mode & 0o111}
                self.assertEqual(executable, {f"/bin/{program}" for program in PROGRAMS[part]})
                names = {os.path.basename(name) for name in image.files}
                self.assertEqual(names & SHELLS_AND_PACKAGE_MANAGERS, set())

    def the_images_are_within_their_budgets(self):
        print(f"       {'compressed':<12}" + "".join(f"{architecture:>12}" for architecture in ARCHITECTURES))
        for part in PARTS:
            sizes = [self.images.of(part, architecture).compressed_size for architecture in ARCHITECTURES]
            print(f"       {part:<12}" + "".join(f"{size / MB:>9.2f} MB" for size in sizes))
        for architecture in ARCHITECTURES:
            with self.subTest(architecture=architecture):
                total = sum(self.images.of(part, architecture).compressed_size for part in PARTS)
                self.assertLessEqual(self.images.of("app", architecture).compressed_size, BUDGETS["app"])
                self.assertLessEqual(total, BUDGETS["all three"])

    def a_change_of_the_configuration_of_nginx_changes_the_last_layer_of_the_app_and_nothing_else(self):
        before, after = self.images.of("app", "arm64"), self.images.at("changed/app-arm64")
        self.assertEqual(before.layers[:-1], after.layers[:-1])
        self.assertNotEqual(before.layers[-1], after.layers[-1])
        for part in ["valkey", "postgres"]:
            self.assertEqual(self.images.of(part, "arm64").digest, self.images.at(f"changed/{part}-arm64").digest)


def _machine(head):
    return struct.unpack_from("<H", head, 18)[0]


def _time_of_the_commit():
    output = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout
    return datetime.fromtimestamp(int(output), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
