"""What every section needs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import servers
from .load import CONNECTIONS
from .machine import Cores
from .processes import Process
from .requests import SignedIn, sign_up
from .services import Services

Json = dict[str, Any]
USERNAME = "ada"


@dataclass
class Context:
    """One run of the benchmark."""

    folder: Path
    cores: Cores
    services: Services
    quick: bool
    images: list[Path] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """Many and short: what slows the machine down for some seconds then slows a whole round, and its ratios stay."""
        return 1 if self.quick else 9

    @property
    def seconds(self) -> float:
        """Of one measurement in these rounds."""
        return 1 if self.quick else 2

    @property
    def long_rounds(self) -> int:
        """Few and long: for percentiles, and for what is slow itself."""
        return 1 if self.quick else 3

    @property
    def long_seconds(self) -> float:
        """Of one measurement in those."""
        return 1 if self.quick else 6

    @property
    def connections(self) -> int:
        """Few in a try: 64 password hashes at once may take longer than that."""
        return 8 if self.quick else CONNECTIONS

    def place(self, core: int | None = None) -> servers.Place:
        return servers.Place(self.folder, self.services.redis_url, self.cores.server if core is None else core)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A database with the tables and nothing in them, gone afterwards."""
        url = self.services.new_database(name)
        try:
            servers.migrate(url)
            yield url
        finally:
            self.services.drop_database(name)

    @contextmanager
    def servers(self, starters: dict[str, Callable[..., Process]]) -> Iterator[dict[str, "Running"]]:
        """All of these at once, each with its own database and one account."""
        with ExitStack() as stack:
            running = {}
            for name, starter in starters.items():
                database = stack.enter_context(self.database(f"bench_{name}"))
                server = stack.enter_context(starter(self.place(), database))
                account = None if name == "nginx" else sign_up(server.address, USERNAME)
                running[name] = Running(server, account)
            yield running


@dataclass(frozen=True)
class Running:
    """A server that is ready and, unless it serves a fixed body, an account on it."""

    server: Process
    account: SignedIn | None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
