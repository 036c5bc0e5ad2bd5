"""The machine: which core does what, how much of it a process uses, and what it is."""

import os
import platform
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Who runs where. With two cores the database and the cache share one with the load."""

    server: int
    load: int
    services: int
    second_server: int

    @staticmethod
    def assign() -> "Cores":
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("bench/run: needs two cores, one for the server and one for the load")
        server, load = cores[:2]
        return Cores(
            server=server,
            load=load,
            services=cores[2] if len(cores) > 2 else load,
            second_server=cores[3] if len(cores) > 3 else server,
        )


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", str(core), *command]


def find_program(*names: str) -> str:
    """The path of the first of these that is installed."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]
    for name in names:
        if path := shutil.which(name, path=os.pathsep.join(folders)):
            return path
    raise SystemExit(f"bench/run: {' or '.join(names)} is not installed: run ./test bench, which installs it")


def allow_descriptors(count: int) -> None:
    """Raises the limit of this process and of those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"bench/run: needs {count} descriptors and may have {hard}: raise it with ulimit -Hn {count}")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def process_tree(pid: int) -> list[int]:
    """A process with its children, and theirs."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except FileNotFoundError:
        return []
    return [pid, *(descendant for child in children for descendant in process_tree(child))]


def pss_bytes(pids: list[int]) -> int:
    """What is in RAM, with what processes share divided among them."""
    return sum(pss_of(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids)


def pss_of(smaps_rollup: str) -> int:
    found = re.search(r"^Pss: +(\d+) kB$", smaps_rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that these have used, in user space and in the kernel."""
    return sum(cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) for pid in pids) / TICKS_PER_SECOND


def cpu_ticks(stat: str) -> int:
    """Fields 14 and 15 of proc(5), counted from the bracket after the name, which may hold blanks."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def describe() -> dict[str, str]:
    """What a reader must know to compare figures."""
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "rust": first_line([find_program("rustc"), "--version"]),
        "postgresql": first_line([find_program("postgres"), "--version"]),
        "cache": first_line([find_program("valkey-server", "redis-server"), "--version"]),
        "nginx": first_line([find_program("nginx"), "-v"]),
        "wrk": first_line([find_program("wrk"), "--version"]),
        "python": platform.python_version(),
    }


def processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def first_line(command: list[str]) -> str:
    """What a program says of its version, without what differs between builds of the same."""
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    line = (result.stdout + result.stderr).strip().splitlines()[0]
    return re.sub(r" (sha=|Copyright|\[).*", "", line)


def load_average() -> float:
    return os.getloadavg()[0]
