"""An empty AWS account, a registry, a served URL, and a checkout of the project with a person in front of it."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import images
from aws import REGION, ROOT, FakeAws
from front import Front
from registry import Registry

HERE = Path(__file__).resolve().parent
ANSWERS = {"/health": {"status": "ok"}, "/ready": {"status": "ready"}, "/hello": {"message": "hello world"}}


@dataclass(frozen=True)
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    errors: str
    seconds: float

    @property
    def said(self) -> str:
        return self.out + self.errors

    def __str__(self) -> str:
        return f"exit code {self.code} after {self.seconds:.0f} s\n{self.out}\n--- standard error\n{self.errors}"


class Url:
    """Where the service answers, as the load balancer would serve it."""

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:
                body = self.answers.get(handler.path, {"title": "Service Unavailable", "code": "unavailable"})
                handler.send_response(200 if handler.path in self.answers else 503)
                handler.end_headers()
                handler.wfile.write(json.dumps(body).encode())

            def log_message(handler, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class World:
    running: set[subprocess.Popen] = set()

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self.checkout, self.images = folder, folder / "checkout", folder / "images"
        self.aws = FakeAws()
        self.registry = Registry(folder / "registry")
        self.front = Front(self.aws, self.registry)
        self.site = Url()
        self.log = (folder / "commands.log").open("a")
        self.write_home()
        self.write_checkout()
        self.build_images()

    def end(self) -> None:
        for process in list(self.running):
            process.send_signal(signal.SIGINT)
            process.wait()
        self.registry.end()
        self.front.end()

    # The checkout

    def write_home(self) -> None:
        """As a person has it who uses a registry without TLS."""
        configuration = self.folder / "home/.config/containers/registries.conf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(f'[[registry]]\nlocation = "{self.registry.address}"\ninsecure = true\n')

    def write_checkout(self) -> None:
        for name in subprocess.check_output(["git", "ls-files", "nix/apps", "terraform", ".gitignore"], cwd=ROOT, text=True).split():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.checkout / name)
        shutil.copy(ROOT / "tests/terraform/moto_override.tf", self.checkout / "terraform")
        shutil.copy(HERE / "bootstrap_override.tf", self.checkout / "terraform/bootstrap")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", "git@github.com:acme/slipway.git")
        self.commit("The project")

    def git(self, *arguments: str) -> str:
        who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}
        environment = os.environ | who | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        return subprocess.run(["git", *arguments], cwd=self.checkout, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def change_the_code(self) -> str:
        """A commit, and the images that are built from it."""
        self.commit("Change the code")
        return self.build_images()

    def build_images(self) -> str:
        commit = self.git("rev-parse", "HEAD")
        self.app = images.build(self.images, "app", {"nginx": 300_000, f"server-{commit}": 400_000}, commit)
        self.valkey = images.build(self.images, "valkey", {"valkey": 100_000})
        self.postgres = images.build(self.images, "postgres", {"postgresql": 900_000, "configuration": 20_000})
        return commit

    # The commands

    def environment(self, **changes: str | None) -> dict[str, str]:
        everything = self.aws.environment | {
            "AWS_ENDPOINT_URL_ECS": self.front.url,
            "AWS_ENDPOINT_URL_ECR": self.front.url,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "HOME": str(self.folder / "home"),
            "IMAGES_DIR": str(self.images),
            "XDG_RUNTIME_DIR": str(self.folder / "home"),
        } | changes
        return {name: value for name, value in everything.items() if value is not None}

    def start(self, name: str, *arguments: str, **changes: str | None) -> subprocess.Popen:
        process = subprocess.Popen(
            [self.checkout / f"nix/apps/{name}.sh", *arguments], cwd=self.checkout, env=self.environment(**changes),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.running.add(process)
        return process

    def finish(self, process: subprocess.Popen, started: float) -> Result:
        out, errors = process.communicate()
        self.running.discard(process)
        result = Result(process.returncode, out, errors, time.monotonic() - started)
        self.log.write(f"$ {' '.join(map(str, process.args))}\n{result}\n\n")
        self.log.flush()
        return result

    def run(self, name: str, *arguments: str, **changes: str | None) -> Result:
        started = time.monotonic()
        return self.finish(self.start(name, *arguments, **changes), started)

    def deploy(self, *arguments: str, env: str = "production", **changes: str | None) -> Result:
        return self.run("deploy", "--env", env, "--yes", "--url", self.site.url, *arguments, **changes)

    # What there is to see

    def service(self, env: str = "production"):
        return self.front.service(f"slipway-{env}")

    def running_digests(self, env: str = "production") -> set[str]:
        return {item["imageDigest"] for task in self.service(env).running() for item in task["containers"] if item["name"] == "app"}

    def requested_images(self, env: str = "production") -> dict[str, str]:
        """Container => digest, in the task definition that Terraform made last."""
        definitions = self.aws.client("ecs").list_task_definitions(familyPrefix=f"slipway-{env}")["taskDefinitionArns"]
        newest = max(definitions, key=lambda arn: int(arn.split(":")[-1]))
        return {name: image.split("@")[1] for name, image in self.front.images_of(newest).items()}

    def settings(self, env: str = "production") -> Path:
        return self.checkout / f"terraform/environments/{env}.tfvars"

    @property
    def lock(self) -> dict[str, str]:
        return {"Bucket": "slipway-state-123456789012", "Key": "production/terraform.tfstate.tflock"}
