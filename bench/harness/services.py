"""PostgreSQL and Valkey (or Redis), as tests/services starts them: on loopback, without fsync, so that the disk is no part
of the figures."""

import subprocess
from types import TracebackType

from .machine import ROOT, Cores, find_program, pinned


class Services:
    """Both until the end of the `with` block."""

    def __init__(self, cores: Cores) -> None:
        command = pinned(cores.services, [str(ROOT / "tests/services"), "hold"])
        self.holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout
        urls: dict[str, str] = {}
        for line in self.holder.stdout:
            if line.strip() == "ready":
                break
            name, _, value = line.strip().partition("=")
            urls[name] = value
        else:
            raise SystemExit("bench/run: tests/services did not start PostgreSQL and Valkey; it says why above")
        self.postgres_url = urls["TEST_POSTGRES_URL"]
        self.redis_url = urls["TEST_REDIS_URL"]

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.holder.stdin
        self.holder.stdin.close()
        self.holder.wait(60)

    def new_database(self, name: str) -> str:
        """The URL of an empty database, which replaces one of the same name."""
        self.drop_database(name)
        run_sql(self.postgres_url, f'CREATE DATABASE "{name}"')
        return self.postgres_url.rpartition("/")[0] + "/" + name

    def drop_database(self, name: str) -> None:
        run_sql(self.postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run_sql(url: str, *statements: str) -> str:
    """Each statement by itself, not in one transaction. Returns what they print, without headings."""
    options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--dbname", url]
    for statement in statements:
        options += ["--command", statement]
    result = subprocess.run([find_program("psql"), *options], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"psql failed: {result.stderr.strip()}")
    return result.stdout.strip()
