"""A fake AWS on a free loopback port, and Terraform talking to it."""

import json
import logging
import os
import shutil
import subprocess
import threading
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

# What moto does otherwise, and reads when it is imported: wait a minute for a certificate, and never start a task.
os.environ |= {"MOTO_ACM_VALIDATION_WAIT": "0", "MOTO_ECS_SERVICE_RUNNING": "1", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from api_calls import Call
from refusing import refusing

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
REGION = "eu-west-2"
# Many more than a client has under way at once.
REMEMBERED_ANSWERS = 1000

def clean_environment() -> dict[str, str]:
    """The caller's, without what points Terraform at a real account or changes what it does."""
    drop = ("AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_LOG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return kept | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", "NO_PROXY": "127.0.0.1"}


def one_at_a_time(application):
    """moto keeps everything in dictionaries of one process, without locks. Of many requests at the same moment one was now and
    then done and not answered, so that Terraform asked once more and was told that what it makes exists.

    An answer can still be lost on the way on a busy machine, and a client then tries again by itself: such an attempt gets
    the first one's answer, or what was deleted would be reported as unknown. AWS' clients give all attempts of one call the
    same `amz-sdk-invocation-id` (aws-sdk-go-v2, aws/middleware; botocore, handlers). What failed is tried again for real."""
    lock = threading.Lock()
    answered: OrderedDict[str, tuple] = OrderedDict()

    def answer(environ, start_response):
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        with lock:
            if call not in answered:
                started = []
                body = b"".join(application(environ, lambda *arguments: started.append(arguments)))
                if call is None or not started[0][0].startswith("2"):
                    start_response(*started[0])
                    return [body]
                answered[call] = (*started[0], body)
                if len(answered) > REMEMBERED_ANSWERS:
                    answered.popitem(last=False)
            *started, body = answered[call]
        start_response(*started)
        return [body]

    return answer


class FakeAws:
    """Lives in this process and ends with it."""

    def __init__(self, network=lambda application: application) -> None:
        """Everything goes through `network`, which may lose it."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.calls: list[Call] = []
        self.refused: list[str] = []
        moto = DomainDispatcherApplication(create_backend_app)
        application = network(one_at_a_time(refusing(moto, self.calls, self.refused)))
        self.server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        # The name localhost would make S3 ask for bucket.localhost, which does not resolve.
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.environment = clean_environment() | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "fake",
            "AWS_SECRET_ACCESS_KEY": "fake",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="fake", aws_secret_access_key="fake"
        )


class Terraform:
    """Terraform in a copy of a folder of the project."""

    running: set[subprocess.Popen] = set()

    @classmethod
    def stop_all(cls) -> None:
        """Lets Terraform end its provider's processes, which would outlive it."""
        for process in list(cls.running):
            process.terminate()
        for process in list(cls.running):
            process.wait()

    def __init__(self, source: Path, copy: Path, environment: dict[str, str], beside: tuple[Path, ...] = ()) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        copy.with_suffix(".log").unlink(missing_ok=True)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "bootstrap"))
        for file in beside:
            shutil.copy(file, copy)
        self.folder = copy
        self.environment = environment
        self.plans = 0

    def run(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess:
        """Fails with what Terraform said last, unless it ends with one of the accepted codes."""
        started = time.monotonic()
        command = ["terraform", *arguments, *([] if arguments[0] == "fmt" else ["-no-color"])]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=self.folder, env=self.environment, **pipes)
        self.running.add(process)
        output, errors = process.communicate()
        self.running.discard(process)
        result = subprocess.CompletedProcess(command, process.returncode, output, errors)
        with self.folder.with_suffix(".log").open("a") as log:
            log.write(f"{time.monotonic() - started:6.1f} s  terraform {arguments[0]}\n")
        if result.returncode not in accept:
            lines = (result.stdout + result.stderr).splitlines()
            raise AssertionError("\n".join([f"terraform {' '.join(arguments)} in {self.folder.name} ended with "
                                            f"{result.returncode}:", *lines[-40:]]))
        return result

    def init(self, *arguments: str) -> None:
        self.run("init", "-lockfile=readonly", *arguments)

    def apply(self, *arguments: str) -> None:
        self.run("apply", "-auto-approve", *arguments)

    def apply_plan(self, plan: dict) -> None:
        """What was planned and nothing else, which spares planning it again."""
        self.run("apply", plan["file"])

    def plan(self, *arguments: str) -> dict:
        """The plan as JSON, with its file under "file", what was printed under "text" and the addresses that change under
        "changes"."""
        self.plans += 1
        file = f"plan-{self.plans}"
        text = self.run("plan", f"-out={file}", *arguments).stdout
        plan = json.loads(self.run("show", "-json", file).stdout)
        plan |= {"file": file, "text": text}
        plan["changes"] = {
            change["address"]: "/".join(change["change"]["actions"])
            for change in plan.get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }
        return plan

    def remaining_changes(self, *arguments: str) -> str:
        """What another plan would change, in Terraform's words; empty after a run that converged."""
        result = self.run("plan", "-detailed-exitcode", *arguments, accept=(0, 2))
        return result.stdout if result.returncode == 2 else ""

    def state(self) -> dict:
        return json.loads(self.run("show", "-json").stdout)


    def outputs(self) -> dict:
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json").stdout).items()}

    def files(self) -> dict[str, bytes]:
        """Every file that Terraform wrote here, and what is packed into its plans."""
        found = {}
        for path in self.folder.rglob("*"):
            if path.is_symlink() or not path.is_file() or "providers" in path.parts:
                continue
            found[str(path)] = path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    found |= {f"{path}:{name}": archive.read(name) for name in archive.namelist()}
        return found


def resources(state: dict, kind: str) -> dict[str, dict]:
    """Address => values of the resources of one kind, in a state or in a plan."""
    root = (state.get("planned_values") or state["values"])["root_module"]
    return {item["address"]: item["values"] for item in root["resources"] if item["type"] == kind and item["mode"] == "managed"}
