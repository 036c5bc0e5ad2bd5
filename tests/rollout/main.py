"""Replaces the tasks of both profiles under load, as a deploy does, and says what the clients saw.

    main.py FOLDER_OF_PROGRAMS FOLDER_FOR_FILES

TEST_POSTGRES_URL and TEST_REDIS_URL name the storages of the profile `rds`.
"""

import asyncio
import os
import shutil
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import scenarios
from ecs import Order
from task import evaluate, find_program


@dataclass
class Setup:
    """What the scenarios are played with."""

    programs: dict
    folder: Path
    timeouts: dict
    postgres_url: str
    redis_url: str


class Checks:
    """Prints each check as it is made, and counts."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, what, holds, otherwise):
        """`otherwise` explains a failure; of a collection the first few do."""
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'passed' if holds else 'FAILED'}: {what}", flush=True)
        if not holds:
            examples = list(otherwise)[:5] if isinstance(otherwise, (list, set)) else [otherwise]
            print("\n".join(f"  {example}" for example in examples), flush=True)


def main():
    setup = Setup(
        programs=programs(Path(sys.argv[1])),
        folder=Path(sys.argv[2]),
        timeouts=evaluate("import ./nix/timeouts.nix"),
        postgres_url=os.environ["TEST_POSTGRES_URL"],
        redis_url=os.environ["TEST_REDIS_URL"],
    )
    checks = Checks()
    asyncio.run(play(checks, setup))
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed > 0)


async def play(checks, setup):
    # However this ends, what was started is stopped again.
    playing = asyncio.current_task()
    for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    for scenario, *arguments in [
        (scenarios.rolling,),
        (scenarios.stop_start, Order.DEREGISTERED_FIRST),
        (scenarios.stop_start, Order.STOPPED_FIRST),
    ]:
        try:
            await scenario(checks, setup, *arguments)
        except Exception:
            checks.that(f"{scenario.__name__} was played to its end", False, traceback.format_exc())


def programs(built):
    """Where each program is."""
    found = {name: find_program(name) for name in ["nginx", "pg_isready", "postgres", "psql"]}
    for part in ["server", "cli"]:
        found[f"valkey-{part}"] = shutil.which(f"valkey-{part}") or find_program(f"redis-{part}")
    return found | {name: str(built / name) for name in ["slipway", "postgres-entrypoint"]}


if __name__ == "__main__":
    main()
