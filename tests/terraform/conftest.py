"""Starts the slow things at once, side by side, since they mostly wait; a test then asks for what it wants to look at."""

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aws import HERE, ROOT, FakeAws, Terraform, clean_environment
from lives import live_bootstrap, live_stack

FOLDER = ROOT / "target/terraform/run"


def pytest_configure() -> None:
    """SIGTERM ends a run like Ctrl-C does, with everything tidied up."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


class Lives:
    def __init__(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.aws = FakeAws()
        self.pool = ThreadPoolExecutor()
        self.bootstrap = self.pool.submit(live_bootstrap, self.aws, FOLDER)
        self.lean = self.pool.submit(self.stack, "lean")
        self.durable = self.pool.submit(self.stack, "durable")

    def stack(self, profile: str):
        return live_stack(self.aws, FOLDER, self.bootstrap.result().bucket, profile)

    def end(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        Terraform.stop_all()  # nothing runs any more, unless we were interrupted


@pytest.fixture(scope="session")
def lives():
    started = Lives()
    yield started
    started.end()


@pytest.fixture(scope="session")
def bootstrap(lives):
    return lives.bootstrap.result()


@pytest.fixture(scope="session")
def lean(lives):
    return lives.lean.result()


@pytest.fixture(scope="session")
def durable(lives):
    return lives.durable.result()


@pytest.fixture(params=["lean", "durable"])
def stack(request, lives):
    """Each profile in turn."""
    return getattr(lives, request.param).result()


@pytest.fixture(scope="session")
def mocked(lives) -> dict[tuple[str, str], tuple[str, str]]:
    """File and name of each of Terraform's own test runs => its status and what it said. Waits for the lives' first
    steps, so that two cores are not asked for three things at once."""
    lives.bootstrap.result()
    terraform = Terraform(ROOT / "terraform", FOLDER / "mocked", clean_environment(), (HERE / "secret-values.tf",))
    terraform.init("-backend=false")
    output = terraform.run("test", "-json", accept=(0, 1)).stdout
    results, said = {}, {}
    for event in map(json.loads, output.splitlines()):
        place = (event.get("@testfile", ""), event.get("@testrun", ""))
        if event["type"] == "test_run" and event["test_run"].get("status"):
            results[place] = event["test_run"]["status"]
        if event["type"] == "diagnostic":
            said[place] = said.get(place, "") + f"{event['diagnostic']['summary']}: {event['diagnostic']['detail']}\n"
    return {place: (status, said.get(place, "")) for place, status in results.items()}


def pytest_generate_tests(metafunc) -> None:
    """Each run in terraform/tests is a test of its own."""
    if "terraform_run" in metafunc.fixturenames:
        runs = [
            (f"tests/{file.name}", name)
            for file in sorted((ROOT / "terraform/tests").glob("*.tftest.hcl"))
            for name in re.findall(r'^run "(\w+)"', file.read_text(), re.MULTILINE)
        ]
        metafunc.parametrize("terraform_run", runs, ids=[f"{Path(file).name.split('.')[0]}-{name}" for file, name in runs])


@pytest.fixture(scope="session")
def checkov() -> dict[str, list[str]]:
    """Check => the resources that fail it."""
    program = ROOT / "target/terraform/checkov/bin/checkov"
    command = [program, "-d", "terraform", "--framework", "terraform", "--skip-download", "--output", "json", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"LOG_LEVEL": "ERROR"})
    report = json.loads(result.stdout)
    assert report["summary"]["passed"] > 100 and not report["summary"]["parsing_errors"], report["summary"]
    found: dict[str, list[str]] = {}
    for finding in report["results"]["failed_checks"]:
        found.setdefault(finding["check_id"], []).append(finding["resource"])
    return {check: sorted(names) for check, names in found.items()}


def pytest_terminal_summary(terminalreporter) -> None:
    """In the words that ./test counts."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    terminalreporter.write_line(f"terraform: {count['passed']} passed, {count['failed'] + count['error'] + count['skipped']} failed")
