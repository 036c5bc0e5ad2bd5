"""An empty AWS account, a registry, a served URL, and a checkout of the project with a person in front of it."""

import contextlib
import json
import os
import re
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
    """What everybody shares: the account, the registry."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.aws = FakeAws()
        self.registry = Registry(folder / "registry")
        self.front = Front(self.aws, self.registry)
        self.log = (folder / "commands.log").open("a")
        # As a person has it who uses a registry without TLS.
        configuration = folder / "home/.config/containers/registries.conf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(f'[[registry]]\nlocation = "{self.registry.address}"\ninsecure = true\n')
        # Amazon's program for `aws ecs execute-command`, which no package has.
        plugin = folder / "bin/session-manager-plugin"
        plugin.parent.mkdir()
        plugin.write_text("#!/bin/sh\n")
        plugin.chmod(0o755)

    def end(self) -> None:
        Person.stop_all()
        self.registry.end()
        self.front.end()

    def environment(self) -> dict[str, str]:
        return self.aws.environment | {
            "AWS_ENDPOINT_URL_ECS": self.front.url,
            "AWS_ENDPOINT_URL_ECR": self.front.url,
            "GITHUB_API_URL": f"{self.front.url}/github",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "HOME": str(self.folder / "home"),
            "XDG_RUNTIME_DIR": str(self.folder / "home"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    # What there is to see of an environment

    def service(self, env: str):
        return self.front.service(f"slipway-{env}")

    def running_digests(self, env: str) -> set[str]:
        tasks = self.service(env).running()
        return {item["imageDigest"] for task in tasks for item in task["containers"] if item["name"] == "app"}

    def requested_images(self, env: str) -> dict[str, str]:
        """Container => digest, in the task definition that was registered last."""
        definitions = self.aws.client("ecs").list_task_definitions(familyPrefix=f"slipway-{env}")["taskDefinitionArns"]
        newest = max(definitions, key=lambda arn: int(arn.split(":")[-1]))
        return {name: image.split("@")[1] for name, image in self.front.images_of(newest).items()}

    def registry_has(self, name: str, digest: str) -> bool:
        return self.registry.has(f"slipway/{name}/manifests/{digest}")


class Person:
    """Somebody with a checkout of the project, for one environment."""

    running: set[subprocess.Popen] = set()
    stopped = False

    @classmethod
    def stop_all(cls) -> None:
        """Ends what runs, in order, and lets no story go on."""
        cls.stopped = True
        for process in list(cls.running):
            # One that has just ended needs no signal.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in list(cls.running):
            process.wait()

    def __init__(self, world: World, env: str) -> None:
        self.world, self.env = world, env
        self.checkout, self.images = world.folder / env / "checkout", world.folder / env / "images"
        self.site = Url()
        for name in subprocess.check_output(["git", "ls-files", "nix/apps", "terraform", ".gitignore"], cwd=ROOT, text=True).split():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.checkout / name)
        shutil.copy(ROOT / "tests/terraform/moto_override.tf", self.checkout / "terraform")
        shutil.copy(HERE / "bootstrap_override.tf", self.checkout / "terraform/bootstrap")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", "git@github.com:acme/slipway.git")
        self.commit(f"The project, as {env} has it")
        self.build_images()

    @property
    def settings(self) -> Path:
        return self.checkout / f"terraform/environments/{self.env}.tfvars"

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))}
        environment = os.environ | who | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.checkout, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def change_the_code(self) -> None:
        """A commit, and the images that are built from it."""
        self.commit("Change the code")
        self.build_images()

    def build_images(self) -> None:
        code = {"nginx": 300_000, f"server-{self.head}": 400_000}
        self.app = images.build(self.images, "app", code, self.head)
        self.valkey = images.build(self.images, "valkey", {"valkey": 100_000})
        self.postgres = images.build(self.images, "postgres", {"postgresql": 900_000, "configuration": 20_000})

    def start(self, name: str, *arguments: str, **changes: str | None) -> subprocess.Popen:
        if self.stopped:
            raise RuntimeError("the tests were ended")
        environment = self.world.environment() | {"IMAGES_DIR": str(self.images)} | changes
        process = subprocess.Popen(
            [name if "/" in name else self.checkout / f"nix/apps/{name}.sh", *arguments], cwd=self.checkout,
            env={name: value for name, value in environment.items() if value is not None},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.running.add(process)
        return process

    def finish(self, process: subprocess.Popen, started: float, before: str = "") -> Result:
        out, errors = process.communicate()
        self.running.discard(process)
        result = Result(process.returncode, before + out, errors, time.monotonic() - started)
        self.world.log.write(f"$ {' '.join(map(str, process.args))}\n{result}\n\n")
        self.world.log.flush()
        return result

    def run(self, name: str, *arguments: str, **changes: str | None) -> Result:
        started = time.monotonic()
        return self.finish(self.start(name, *arguments, **changes), started)

    def measure(self, name: str, *arguments: str) -> tuple[Result, float]:
        """And the seconds of processor time that it and its programs took, which a busy machine does not stretch much."""
        program = self.checkout / f"nix/apps/{name}.sh"
        times = self.world.folder / "times"
        script = self.world.folder / "measured"
        script.write_text(f'#!/usr/bin/env bash\n"{program}" "$@"\ncode=$?\ntimes >"{times}"\nexit "$code"\n')
        script.chmod(0o755)
        result = self.run(str(script), *arguments)
        spent = re.findall(r"(\d+)m([\d.]+)s", times.read_text())
        return result, sum(int(minutes) * 60 + float(seconds) for minutes, seconds in spent)

    def interrupt(self, when: str, name: str, *arguments: str) -> Result:
        """Ctrl-C as soon as a line contains these words."""
        started, before = time.monotonic(), ""
        process = self.start(name, *arguments)
        for line in process.stdout:
            before += line
            if when in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        return self.finish(process, started, before)

    @property
    def deploying(self) -> tuple[str, ...]:
        """The options of every deploy here."""
        return ("--env", self.env, "--yes", "--url", self.site.url)

    def deploy(self, *arguments: str) -> Result:
        return self.run("deploy", *self.deploying, *arguments)
