"""The whole task (nginx, server, Valkey, PostgreSQL, each as its image configures it) within the memory and the processor
time of the smallest Fargate task, and the load that it holds there."""

import os
import shutil
import subprocess
import time
from contextlib import ExitStack
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
# A step may come so much short of its rate: the last requests are under way when it ends.
KEPT_UP = 0.95


def run(context: Context) -> Json:
    with ExitStack() as stack:
        data = initialise_database(context.folder)
        group = stack.enter_context(ControlGroup(f"slipway-bench-{os.getpid()}", MEMORY_BYTES, CORES))
        postgres = stack.enter_context(start_postgres(data, group))
        valkey = stack.enter_context(start_valkey(context.folder, group))
        place = servers.Place(context.folder, f"redis://{valkey.address}", None, tuple(group.wrapper))
        app = stack.enter_context(servers.container(place, f"postgres://slipway@{postgres.address}/postgres"))
        time.sleep(1 if context.quick else 5)
        parts = {"app": app.pss(), "valkey": valkey.pss(), "postgres": postgres.pss()}
        say(f"  idle: {', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in parts.items())}")
        account = sign_up(app.address, USERNAME)
        requests = {"me": me(account), "login": login(USERNAME)}
        held = {route: climb(context, app, route, request) for route, request in requests.items()}
        parts_after = {"app": app.pss(), "valkey": valkey.pss(), "postgres": postgres.pss()}
        return {
            "idle": parts,
            "after_load": parts_after,
            "seconds_to_ready": round(app.seconds_to_ready, 2),
            "peak_with_page_cache": group.peak_bytes(),
            "killed": group.kills(),
            "held": held,
        }


def climb(context: Context, app: Process, route: str, request: Request) -> Json:
    """Raises the rate until the task does not hold it; what it held last, and what failed first."""
    held: Json = {}
    rates = RATES[route][:2] if context.quick else RATES[route]
    for rate in rates:
        sample = load.at_rate(app, [request], context.seconds * 2, context.cores.load, rate)
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
