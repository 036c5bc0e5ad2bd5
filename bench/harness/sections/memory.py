"""Memory of each server: idle, under load, while everybody signs in, and with many idle connections."""

import http.client
import selectors
import threading
import time
from collections.abc import Callable

from .. import load, servers
from ..context import Context, Json, Running, say
from ..machine import allow_descriptors
from ..processes import Process
from .speed import requests_for

STARTERS: dict[str, Callable[..., Process]] = {
    # Without the usual limit of 10,000 connections the last of them would wait for the one that asks how it goes.
    "slipway": lambda *place: servers.slipway(*place, MAX_CONNECTIONS="12000"),
    "axum": servers.axum,
    "fastapi": servers.fastapi,
}
IDLE_SECONDS = 5
SAMPLE_EVERY_SECONDS = 0.1


def run(context: Context) -> Json:
    connections = 1_000 if context.quick else 10_000
    # Ours and, in processes that inherit the limit, theirs.
    allow_descriptors(connections + 1_000)
    found: Json = {"connections": connections}
    for _ in range(context.long_rounds):
        for name in STARTERS:
            measured = measure(context, name, connections)
            for state, size in measured.items():
                found.setdefault(name, {}).setdefault(state, []).append(size)
            say(f"  {name}: {', '.join(f'{state} {size / 1e6:.1f} MB' for state, size in measured.items())}")
    return found


def measure(context: Context, name: str, connections: int) -> dict[str, int]:
    """Twice from the start: what is left of one load would hide what the other takes."""
    with context.servers({name: STARTERS[name]}) as running:
        await_idle(context)
        measured = {"idle": running[name].server.pss()} | under_load(context, running[name])
    with context.servers({name: STARTERS[name]}) as running:
        await_idle(context)
        before = running[name].server.pss()
        more = with_idle_connections(running[name].server, connections) - before
    return measured | {"idle_connections": more}


def await_idle(context: Context) -> None:
    time.sleep(1 if context.quick else IDLE_SECONDS)


def under_load(context: Context, running: Running) -> dict[str, int]:
    """The most that each route takes, in an order in which hashes of passwords, which take most, come last."""
    server, result = running.server, {}
    seconds, core = context.long_seconds, context.cores.load
    for route in ("hello", "me", "refresh", "login"):
        requests = requests_for(route, running)
        with Peak(server) as peak:
            load.closed(server, requests, seconds, core, route == "refresh", context.connections)
        result[f"peak_{route}"] = peak.bytes
    return result


class Peak:
    """The most memory of a server while the `with` block runs."""

    def __init__(self, server: Process) -> None:
        self.server = server
        self.bytes = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.is_over.wait(SAMPLE_EVERY_SECONDS):
            self.bytes = max(self.bytes, self.server.pss())

    def __enter__(self) -> "Peak":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()


def with_idle_connections(server: Process, count: int) -> int:
    """Its memory while so many connections, each of which has asked once, are kept."""
    kept: list[http.client.HTTPConnection] = []
    try:
        for _ in range(count):
            connection = http.client.HTTPConnection(server.address, timeout=30)
            kept.append(connection)
            connection.request("GET", "/health")
            connection.getresponse().read()
        if closed := closed_by_server(kept):
            raise RuntimeError(f"the server closed {closed} of {count} idle connections")
        return server.pss()
    finally:
        for connection in kept:
            connection.close()


def closed_by_server(connections: list[http.client.HTTPConnection]) -> int:
    """How many can be read from although nothing was asked: those are at their end."""
    closed = sum(connection.sock is None for connection in connections)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if connection.sock:
                selector.register(connection.sock, selectors.EVENT_READ)
        return closed + len(selector.select(timeout=0))
