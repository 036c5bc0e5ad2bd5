"""Containers as AWS Fargate runs them: pods of podman that share a network namespace and nothing else.

Everything is in a storage of its own, without a network to the outside, and gone when the tests are.
"""

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack

# Containers are stopped and started all the time here; a hanging one should show, not stall.
COMMAND_DEADLINE = 90

CONTAINERS_CONF = """
[containers]
# Otherwise those of the calling shell, which runc may not be allowed to set.
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
# Needs no systemd, and runs on both versions of cgroups.
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
lock_type = "file"
tmp_dir = "{root}/tmp"
"""

STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "{root}/storage"
runroot = "{root}/run"
"""

# What Terraform asks of ECS for every container (R26).
RESTRICTIONS = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]


class Podman:
    """An engine with nothing in it. Use as a context manager.

    `until_the_end` takes other contexts that must end, too, however the tests do; unittest's own would stay open when the
    tests are interrupted.
    """

    def __enter__(self):
        self.until_the_end = ExitStack()
        self.root = tempfile.mkdtemp(prefix="slipway-images-")
        self.environment = os.environ | {
            "CONTAINERS_CONF": self._write("containers.conf", CONTAINERS_CONF),
            "CONTAINERS_STORAGE_CONF": self._write("storage.conf", STORAGE_CONF),
            "CONTAINERS_REGISTRIES_CONF": self._write("registries.conf", ""),
        }
        return self

    def __exit__(self, *_):
        for leftover in (["pod", "rm"], ["rm"], ["volume", "rm"]):
            self.run(*leftover, "--all", "--force", check=False)
        self.until_the_end.close()
        subprocess.run(["umount", f"{self.root}/storage/overlay"], capture_output=True, check=False)
        shutil.rmtree(self.root)

    def _write(self, name, text):
        path = f"{self.root}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.format(root=self.root))
        return path

    def start(self, *arguments, environment=None, **options):
        """A running podman command, as subprocess.Popen."""
        return subprocess.Popen(
            ["podman", *arguments],
            env=self.environment | (environment or {}),
            cwd=self.root,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A signal to the tests is not one to what is to end in order.
            start_new_session=True,
            **options,
        )

    def run(self, *arguments, environment=None, check=True):
        """Runs a command and returns its result; `environment` is for podman itself, which `--env NAME` passes on."""
        process = self.start(*arguments, environment=environment)
        try:
            out, error = process.communicate(timeout=COMMAND_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if check and process.returncode != 0:
            raise AssertionError(f"podman {' '.join(arguments)}: {error.strip() or out.strip()}")
        return subprocess.CompletedProcess(arguments, process.returncode, out, error)

    def load(self, image):
        """Makes an image of oci_archive known and returns its id, which is the digest of its configuration."""
        self.run("load", "--quiet", "--input", image.path)
        return image.manifest["config"]["digest"].removeprefix("sha256:")

    def inspect(self, container, what):
        """One field of a container, as Go templates name it."""
        return self.run("inspect", "--format", f"{{{{json {what}}}}}", container).stdout.strip()

    def mountpoint(self, volume):
        """Where a volume is on this machine."""
        return self.run("volume", "inspect", "--format", "{{.Mountpoint}}", volume).stdout.strip()

    def logs(self, container):
        """Everything that a container printed since it was made, a line each."""
        result = self.run("logs", container)
        return (result.stdout + result.stderr).splitlines()
