"""A push to a registry and a pull from it, as a deploy does."""

import json
import os
import socket
import subprocess
import time

from specification import Specification

CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "{address}"}}
log: {{level: error}}
"""


class ARegistry(Specification):
    """Debian's docker-registry on loopback, empty."""

    @classmethod
    def setUpClass(cls):
        cls.address = f"127.0.0.1:{_free_port()}"
        configuration = f"{cls.podman.root}/registry.yml"
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=cls.podman.root, address=cls.address))
        server = subprocess.Popen(
            [os.environ["DOCKER_REGISTRY"], "serve", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        cls.podman.until_the_end.callback(server.wait)
        cls.podman.until_the_end.callback(server.terminate)
        for _ in range(200):
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", int(cls.address.split(":")[1]))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the registry does not start")

    def it_knows_every_image_by_the_digest_that_the_build_computed(self):
        for (part, architecture), image in self.images.all.items():
            with self.subTest(part, architecture=architecture):
                repository = f"docker://{self.address}/{part}:{architecture}"
                self._skopeo("copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci-archive:{image.path}", repository)
                described = json.loads(self._skopeo("inspect", "--tls-verify=false", "--no-tags", repository))
                self.assertEqual(described["Digest"], image.digest)
                self.assertEqual(described["Architecture"], architecture)

    def an_image_is_pulled_and_run_by_its_digest(self):
        for part, program in [("app", ["/bin/slipway", "--version"]), ("valkey", ["/bin/valkey-server", "--version"])]:
            image = self.images.of(part, self.images.native)
            reference = f"{self.address}/{part}@{image.digest}"
            self.podman.run("pull", "--quiet", "--tls-verify=false", reference)
            entry_point = f"--entrypoint={json.dumps(program)}"
            result = self.podman.run("run", "--rm", "--pull=never", "--network=none", entry_point, reference)
            self.assertIn(image.config["Labels"]["org.opencontainers.image.version"], result.stdout)

    def _skopeo(self, *arguments):
        result = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False, env=self.podman.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
