"""Starts the slow things at once, side by side, since they mostly wait; a test then asks for what it wants to look at."""

import fcntl
import json
import os
import re
import signal
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from aws import HERE, ROOT, FakeAws, Terraform, clean_environment
from lives import live_stack, look_at_bootstrap, make_bootstrap

FOLDER = ROOT / "target/terraform/run"


def pytest_configure(config) -> None:
    """SIGTERM ends a run like Ctrl-C does, with everything tidied up. Two runs in one folder would destroy each other's
    work, so the second one ends at once."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    FOLDER.mkdir(parents=True, exist_ok=True)
    config.lock = (FOLDER / "lock").open("w")
    try:
        fcntl.flock(config.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pytest.exit(f"another run is under way in {FOLDER}: wait for its end", returncode=1)


def pytest_addoption(parser) -> None:
    parser.addoption("--without-lives", action="store_true", help="only what needs neither the fake AWS nor checkov: a minute")


def pytest_collection_modifyitems(config, items) -> None:
    if config.getoption("--without-lives"):
        slow = {"bootstrap", "lean", "durable", "stack", "checkov"}
        left_out = [item for item in items if slow & set(item.fixturenames)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class NoLives:
    """In place of the lives, for tests that only begin after their first steps."""

    def __init__(self) -> None:
        self.bootstrap = Future()
        self.bootstrap.set_result(None)

    def end(self) -> None:
        pass


class Lives:
    def __init__(self) -> None:
        self.aws = FakeAws()
        self.pool = ThreadPoolExecutor()
        self.made = self.pool.submit(make_bootstrap, self.aws, FOLDER)
        self.bootstrap = self.pool.submit(lambda: look_at_bootstrap(self.made.result()))
        self.lean = self.pool.submit(self.stack, "lean")
        self.durable = self.pool.submit(self.stack, "durable")

    def stack(self, profile: str):
        return live_stack(self.aws, FOLDER, self.made.result().bucket, profile)

    def end(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        Terraform.stop_all()  # nothing runs any more, unless we were interrupted


@pytest.fixture(scope="session")
def lives(pytestconfig):
    started = NoLives() if pytestconfig.getoption("--without-lives") else Lives()
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
def mocked(lives) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Folder, file and name of each of Terraform's own test runs => its status and what it said. Waits for the lives'
    first steps, so that two cores are not asked for three things at once."""
    lives.bootstrap.result()
    found = {}
    for folder, stand_in in (("terraform", (HERE / "secret-values.tf",)), ("terraform/bootstrap", ())):
        terraform = Terraform(ROOT / folder, FOLDER / f"mocked-{folder.replace('/', '-')}", clean_environment(), stand_in)
        terraform.init("-backend=false")
        output = terraform.run("test", "-json", accept=(0, 1)).stdout
        results, said = {}, {}
        for event in map(json.loads, output.splitlines()):
            place = (event.get("@testfile", ""), event.get("@testrun", ""))
            if event["type"] == "test_run" and event["test_run"].get("status"):
                results[place] = event["test_run"]["status"]
            if event["type"] == "diagnostic":
                said[place] = said.get(place, "") + f"{event['diagnostic']['summary']}: {event['diagnostic']['detail']}\n"
        found |= {(folder, *place): (status, said.get(place, "")) for place, status in results.items()}
    return found


def pytest_generate_tests(metafunc) -> None:
    """Each run in terraform/tests and terraform/bootstrap/tests is a test of its own."""
    if "terraform_run" in metafunc.fixturenames:
        runs = [
            (folder, f"tests/{file.name}", name)
            for folder in ("terraform", "terraform/bootstrap")
            for file in sorted((ROOT / folder / "tests").glob("*.tftest.hcl"))
            for name in re.findall(r'^run "(\w+)"', file.read_text(), re.MULTILINE)
        ]
        ids = [f"{Path(folder).name}-{Path(file).name.split('.')[0]}-{name}" for folder, file, name in runs]
        metafunc.parametrize("terraform_run", runs, ids=ids)


@pytest.fixture(scope="session")
def checkov() -> dict[str, list[str]]:
    """Check => the resources that fail it in one profile or the other: of what a profile does not make, checkov does not
    look at everything."""
    found: dict[str, set[str]] = {}
    for profile in ("lean", "durable"):
        program = ROOT / "target/terraform/checkov/bin/checkov"
        command = [program, "-d", "terraform", "--framework", "terraform", "--var-file", f"terraform/{profile}.tfvars",
                   "--skip-download", "--output", "json", "--quiet"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"LOG_LEVEL": "ERROR"})
        report = json.loads(result.stdout)
        assert report["summary"]["passed"] > 250 and not report["summary"]["parsing_errors"], report["summary"]
        for finding in report["results"]["failed_checks"]:
            # The first and only one of a resource with a count has a number in one profile and none in the other.
            found.setdefault(finding["check_id"], set()).add(finding["resource"].removesuffix("[0]"))
    return {check: sorted(names) for check, names in found.items()}


def pytest_terminal_summary(terminalreporter) -> None:
    """In the words that ./test counts."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    terminalreporter.write_line(f"terraform: {count['passed']} passed, {count['failed'] + count['error'] + count['skipped']} failed")
