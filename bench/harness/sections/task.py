"""The whole task (nginx, server, Valkey, PostgreSQL, each as its image configures it) within the memory and the processor
time of the smallest Fargate task, and the load that it holds there."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import load, servers
from ..cgroup import ControlGroup
from ..context import USERNAME, Context, Json, say
from ..load import Sample
from ..machine import ROOT, find_program
from ..processes import Process, free_port
from ..requests import Request, login, me, sign_up

MEMORY_BYTES, CORES = 512 * 1024 * 1024, 0.25
RATES = {"me": [100, 200, 300, 400, 600, 800, 1200, 1600, 2400], "login": [2, 4, 6, 8, 10, 12, 16]}
# Beyond that a request has failed for whoever waits for it; a quarter of a core stands still for 75 of 100 ms.
P99_SECONDS = 1.0
# Of each step; the lowest rate of sign-ins is two a second.
STEP_SECONDS = 8
# A step may come so much short of its rate: the last requests are under way when it ends.
KEPT_UP = 0.95


@dataclass(frozen=True)
class Task:
    """What runs in it, and within what."""

    parts: dict[str, Process]
    group: ControlGroup

    def pss(self) -> dict[str, int]:
        return {name: part.pss() for name, part in self.parts.items()}


def run(context: Context) -> Json:
    """Idle after several starts, and under load after the last of them."""
    idle: dict[str, list[int]] = {}
    for number in range(1, context.long_rounds + 1):
        with started(context, context.folder / str(number)) as task:
            time.sleep(1 if context.quick else 5)
            parts = task.pss()
            for name, size in parts.items():
                idle.setdefault(name, []).append(size)
            say(f"  idle: {', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in parts.items())}")
            if number == context.long_rounds:
                return {"idle": idle} | under_load(context, task)
    raise AssertionError("there is at least one round")


@contextmanager
def started(context: Context, folder: Path) -> Iterator[Task]:
    folder.mkdir()
    # PostgreSQL's own user passes through it.
    folder.chmod(0o755)
    with ExitStack() as stack:
        data = initialise_database(folder)
        group = stack.enter_context(ControlGroup(f"slipway-bench-{os.getpid()}", MEMORY_BYTES, CORES))
        postgres = stack.enter_context(start_postgres(data, group))
        valkey = stack.enter_context(start_valkey(folder, group))
        place = servers.Place(folder, f"redis://{valkey.address}", None, tuple(group.wrapper))
        app = stack.enter_context(servers.container(place, f"postgres://slipway@{postgres.address}/postgres"))
        yield Task({"app": app, "valkey": valkey, "postgres": postgres}, group)


def under_load(context: Context, task: Task) -> Json:
    app = task.parts["app"]
    account = sign_up(app.address, USERNAME)
    requests = {"me": me(account), "login": login(USERNAME)}
    held = {route: climb(context, app, route, request) for route, request in requests.items()}
    return {
        "after_load": task.pss(),
        "seconds_to_ready": round(app.seconds_to_ready, 2),
        "peak_with_page_cache": task.group.peak_bytes(),
        "killed": task.group.kills(),
        "held": held,
    }


def climb(context: Context, app: Process, route: str, request: Request) -> Json:
    """Raises the rate until the task does not hold it; what it held last, and what failed first."""
    held: Json = {}
    rates = RATES[route][:2] if context.quick else RATES[route]
    seconds = 2 if context.quick else STEP_SECONDS
    for rate in rates:
        sample = load.at_rate(app, [request], seconds, context.cores.load, rate)
        reason = failure(sample, rate)
        say(f"  {route} at {rate}/s: p50 {sample.p50 / 1000:.0f} ms, p99 {sample.p99 / 1000:.0f} ms, {reason or 'held'}")
        if reason:
            return held | {"failed_at": rate, "because": reason}
        held = {"rate": rate, "p50": sample.p50, "p99": sample.p99}
    return held


def failure(sample: Sample, rate: float) -> str | None:
    if sample.errors:
        return f"{sample.errors} errors"
    if sample.per_second < rate * KEPT_UP:
        return f"only {sample.per_second:.0f}/s were answered"
    if sample.p99 > P99_SECONDS * 1e6:
        return f"p99 was {sample.p99 / 1e6:.1f} s"
    return None


def as_database_user() -> list[str]:
    """PostgreSQL refuses to run as root, so root lends it to the user that its package makes."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


def initialise_database(folder: Path) -> Path:
    data = folder / "postgres" / "data"
    data.parent.mkdir()
    if os.getuid() == 0:
        shutil.chown(data.parent, "postgres")
    options = ["-U", "slipway", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    command = [*as_database_user(), find_program("initdb"), "-D", str(data), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
    return data


def start_postgres(data: Path, group: ControlGroup) -> Process:
    port = free_port()
    configuration = data.parent / "postgresql.conf"
    shutil.copy(ROOT / "nix/images/postgresql.conf", configuration)
    configuration.chmod(0o644)
    options = ["-D", str(data), "-p", str(port), "-k", "", "-c", f"config_file={configuration}"]
    command = [*as_database_user(), find_program("postgres"), *options]
    return Process(command, {}, data.parent, port, ready_path=None, wrapper=group.wrapper)


def start_valkey(folder: Path, group: ControlGroup) -> Process:
    port = free_port()
    program = find_program("valkey-server", "redis-server")
    command = [program, str(ROOT / "nix/images/valkey.conf"), "--port", str(port), "--dir", str(folder)]
    return Process(command, {}, folder / "valkey", port, ready_path=None, wrapper=group.wrapper)
