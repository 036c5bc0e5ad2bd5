"""The commands of docs/DEPLOY.md that look into the images and run them."""

import os
import subprocess
import tempfile

from specification import Specification

DEPLOY = os.path.join(os.path.dirname(__file__), "../../../docs/DEPLOY.md")
# What `nix build` names its results there.
RESULTS = {"result": "app", "result-1": "valkey", "result-2": "postgres"}

# There is no network to publish a port to here; the request is sent from inside the pod's instead.
IN_THIS_MACHINE = """
set -euo pipefail
podman() { command podman "${@/--publish/--network=none}"; }
curl() { command nsenter --net="/proc/$(infra_process)/ns/net" curl --fail --silent --show-error "$@"; }
infra_process() {
  command podman inspect --format {{.State.Pid}} "$(command podman pod inspect --format {{.InfraContainerID}} slipway)"
}
"""


class TheDocumentedCommands(Specification):
    """As they stand in docs/DEPLOY.md."""

    def run_the_images(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, part in RESULTS.items():
                os.symlink(self.images.of(part, self.images.native).path, f"{folder}/{name}")
            script = IN_THIS_MACHINE + _commands().replace("127.0.0.1:8080:8080\n", "\n")
            result = subprocess.run(
                ["bash", "-c", script],
                cwd=folder,
                env=self.podman.environment,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('"Entrypoint"', result.stdout)
        self.assertIn('{"message":"hello world"}', result.stdout)

    def tearDown(self):
        self.podman.run("pod", "rm", "--force", "--time=0", "slipway", check=False)


def _commands():
    """The indented block that begins by looking into an image."""
    with open(DEPLOY, encoding="utf-8") as file:
        text = file.read()
    block = text[text.index("    skopeo inspect") :]
    return block[: block.index("\n\n")] + "\n"
