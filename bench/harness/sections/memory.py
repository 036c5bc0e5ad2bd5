"""Memory of each server: idle, under load, while everybody signs in, and with many idle connections."""

import selectors
import socket
import threading
import time
from collections.abc import Callable

from .. import load, servers
from ..context import USERNAME, Context, Json, Running, say
from ..machine import allow_descriptors
from ..processes import Process
from ..requests import hello, login, me, refresh, sign_in_often
from .speed import SESSIONS

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
    with context.servers(STARTERS) as running:
        time.sleep(1 if context.quick else IDLE_SECONDS)
        for name, one in running.items():
            found[name] = measure(context, one, connections)
            say(f"  {name}: {', '.join(f'{key} {value / 1e6:.1f} MB' for key, value in found[name].items())}")
    return found


def measure(context: Context, running: Running, connections: int) -> Json:
    server, core = running.server, context.cores.load
    assert running.account
    result = {"idle": server.pss()}
    # Before the load: what that leaves behind would hide what connections take.
    result["idle_connections"] = with_idle_connections(server, connections) - server.pss()
    sessions = sign_in_often(server.address, [USERNAME] * SESSIONS)
    loads = {
        "hello": ([hello()], False),
        "me": ([me(sessions[0])], False),
        "refresh": ([refresh(session) for session in sessions], True),
        "login": ([login(USERNAME)], False),
    }
    for route, (requests, rotate) in loads.items():
        with Peak(server) as peak:
            load.closed(server, requests, context.seconds, core, rotate)
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
    host, port = server.address.split(":")
    kept: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection((host, int(port)), timeout=30)
            connection.sendall(f"GET /health HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
            kept.append(connection)
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"connection {len(kept)} was not served")
        if closed := closed_by_server(kept):
            raise RuntimeError(f"the server closed {closed} of {count} idle connections")
        return server.pss()
    finally:
        for connection in kept:
            connection.close()


def closed_by_server(connections: list[socket.socket]) -> int:
    """How many can be read from although nothing was asked: those are at their end."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        return len(selector.select(timeout=0))
