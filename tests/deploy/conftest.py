"""Starts the slow things at once, side by side, since they mostly wait; a test then asks for what it wants to look at."""

import fcntl
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target/deploy/run"
sys.path.insert(0, str(ROOT / "tests/terraform"))  # its fake AWS


def pytest_configure(config) -> None:
    """SIGTERM ends a run like Ctrl-C does, with everything tidied up. SIGINT works also where the run was started in the
    background, which ignores it: the commands must get it. Two runs in one folder would destroy each other's work, so the
    second one ends at once."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    config.lock = FOLDER.with_suffix(".lock").open("w")
    try:
        fcntl.flock(config.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pytest.exit(f"another run is under way in {FOLDER}: wait for its end", returncode=1)
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Stories:
    def __init__(self) -> None:
        import stories
        from world import World

        self.world = World(FOLDER)
        self.pool = ThreadPoolExecutor()
        pushed, staging_is_steady = Event(), Event()
        self.events = (pushed, staging_is_steady)
        self.account = self.pool.submit(stories.account, self.world)
        self.production = self.pool.submit(self.afterwards, stories.production)
        self.staging = self.pool.submit(self.afterwards, stories.staging)
        self.durable = self.pool.submit(self.afterwards, stories.durable)

    def afterwards(self, story):
        self.account.result()
        try:
            return story(self.world, *self.events)
        finally:
            for event in self.events:
                event.set()  # so that the other one does not wait for ever

    def end(self) -> None:
        from world import Person

        self.pool.shutdown(wait=False, cancel_futures=True)
        Person.stop_all()  # nothing runs any more, unless we were interrupted
        self.world.end()


@pytest.fixture(scope="session")
def stories():
    started = Stories()
    yield started
    started.end()


@pytest.fixture(scope="session")
def account(stories):
    return stories.account.result()


@pytest.fixture(scope="session")
def production(stories):
    return stories.production.result()


@pytest.fixture(scope="session")
def staging(stories):
    return stories.staging.result()


@pytest.fixture(scope="session")
def durable(stories):
    return stories.durable.result()


def pytest_terminal_summary(terminalreporter) -> None:
    """In the words that ./test counts."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    terminalreporter.write_line(f"deploy: {count['passed']} passed, {count['failed'] + count['error'] + count['skipped']} failed")
