"""Load on a server: as fast as it answers (wrk), or at a constant rate (bench/load)."""

import json
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import builds
from .machine import find_program, pinned
from .processes import Process
from .requests import Request

CONNECTIONS = 64
# A server is quiet when it works for less than a tenth of this.
QUIET_SECONDS, QUIET_PATIENCE = 0.1, 1200
HARNESS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sample:
    """What one measurement found. Latencies are in microseconds."""

    per_second: float
    p50: float
    p99: float
    p999: float
    errors: int
    # Which share of its time the server's core worked for it: below 0.9 something else was the limit.
    busy: float
    # Processor time of the server for a request, in microseconds.
    cpu_us: float

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def closed(
    server: Process,
    requests: list[Request],
    seconds: float,
    core: int,
    rotate: bool = False,
    connections: int = CONNECTIONS,
) -> Sample:
    """Each connection sends the next request when the last is answered: the most that the server can do."""
    with request_file(server, requests) as file:
        command = [find_program("wrk"), "--threads", "1", "--connections", str(connections), "--timeout", "15s"]
        command += ["--duration", f"{max(1, round(seconds))}s", "--script", str(HARNESS / "wrk.lua")]
        command += [f"http://{server.address}", "--", file.name, *(["rotate"] if rotate else [])]
        sample = measure(server, pinned(core, command))
    await_quiet(server)
    return sample


def at_rate(
    server: Process,
    requests: list[Request],
    seconds: float,
    core: int,
    rate: float,
    connections: int = CONNECTIONS,
    rotate: bool = False,
) -> Sample:
    """Requests are sent when they are due, and timed from then on. Rate 0: each when the last is answered."""
    with request_file(server, requests) as file:
        command = load_command(server.address, rate, seconds, connections, file.name)
        return measure(server, pinned(core, command + (["rotate"] if rotate else [])))


def load_command(address: str, rate: float, seconds: float, connections: int, file: str) -> list[str]:
    return [str(builds.tool("load")), address, str(rate), str(seconds), str(connections), file]


def request_file(server: Process, requests: list[Request]) -> "tempfile._TemporaryFileWrapper[bytes]":
    file = tempfile.NamedTemporaryFile(prefix="requests-")
    for request in requests:
        raw = request.raw(server.address)
        file.write(b"%d\n%b" % (len(raw), raw))
    file.flush()
    return file


def measure(server: Process, command: list[str]) -> Sample:
    server.forget_log()
    before = server.cpu_seconds()
    result = subprocess.run(command, capture_output=True, text=True)
    used = server.cpu_seconds() - before
    server.forget_log()
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {result.stdout}{result.stderr}")
    return parse_sample(result.stdout, used)


def await_quiet(server: Process) -> None:
    """wrk ends without waiting for answers. Hashes that are under way then still run to their end, and would take time from
    whatever is measured next."""
    for _ in range(QUIET_PATIENCE):
        before = server.cpu_seconds()
        time.sleep(QUIET_SECONDS)
        if server.cpu_seconds() - before <= QUIET_SECONDS / 10:
            return
    raise RuntimeError(f"the server at {server.address} still works {QUIET_PATIENCE * QUIET_SECONDS:.0f} s after its load")


def parse_sample(output: str, cpu_seconds: float) -> Sample:
    """The last line of either program."""
    told = json.loads(output.strip().splitlines()[-1])
    if not told["requests"]:
        raise RuntimeError(f"not a single request was answered: {output.strip()}")
    return Sample(
        per_second=told["requests"] / told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
        p999=told["p999"],
        errors=told["errors"],
        busy=cpu_seconds / told["seconds"],
        cpu_us=cpu_seconds / told["requests"] * 1e6,
    )
