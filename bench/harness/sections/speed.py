"""Throughput and latency, direct and through nginx, and how GET /health fares while everybody signs in."""

import subprocess
from statistics import median

from .. import load, servers
from ..context import USERNAME, Context, Json, Running, say
from ..load import CONNECTIONS, Sample
from ..machine import pinned
from ..processes import Process
from ..requests import Request, hello, login, me, refresh, sign_in_often

ROUTES = ["hello", "me", "refresh", "login"]
STARTERS = servers.STARTERS
# More sessions than connections, so that none waits for one that another connection is refreshing.
SESSIONS = CONNECTIONS + 8
# As a load balancer asks, but more often, for the percentiles.
HEALTH_PER_SECOND = 50
# What its own nginx answers by itself: the problem of a path that scanners ask for (nix/nginx-conf.nix).
FIXED_ANSWER = Request("GET", "/wp-login.php")


def run(context: Context) -> Json:
    with context.servers(STARTERS) as running:
        warm_up(context, running)
        peak = rounds(context, running, ["hello", "fixed", "me", "refresh"], context.rounds, context.seconds)
        # 64 sign-ins at once take a second or two each on one core.
        peak |= rounds(context, running, ["login"], context.long_rounds, context.long_seconds)
        half = rounds(context, running, ROUTES, context.long_rounds, context.long_seconds, peak)
        return {"peak": as_json(peak), "half": as_json(half), "storm": storms(context, running)}


def warm_up(context: Context, running: dict[str, Running]) -> None:
    """Connections to the database are opened when they are first used, and statements prepared."""
    for name, one in running.items():
        for route in ("hello", "me") if one.account else ("hello",):
            load.closed(one.server, requests_for(route, one), 1, context.cores.load)
        say(f"  warmed up: {name}")


Samples = dict[tuple[str, str], list[Sample]]


def rounds(
    context: Context, running: dict[str, Running], routes: list[str], count: int, seconds: float, peak: Samples | None = None
) -> Samples:
    """A B C A B C…: as fast as each server answers or, when its peak is known, at half of that."""
    samples: Samples = {}
    for number in range(count):
        for route in routes:
            for name in servers_of(route):
                half = median(sample.per_second for sample in peak[name, route]) / 2 if peak else None
                sample = measure(context, running[name], route, seconds, half)
                samples.setdefault((name, route), []).append(sample)
                pace = "at half of the peak" if peak else "at the peak"
                say(f"  {pace}, round {number + 1}, {route}, {name}: {describe(sample)}")
    return samples


def servers_of(route: str) -> list[str]:
    if route == "fixed":
        return ["container"]
    return list(STARTERS) if route == "hello" else [name for name in STARTERS if name != "nginx"]


def measure(context: Context, running: Running, route: str, seconds: float, rate: float | None = None) -> Sample:
    requests = requests_for(route, running)
    core, rotate = context.cores.load, route == "refresh"
    connections = context.connections
    if route == "fixed":
        # wrk counts the status as an error, and it is what is asked for.
        return without_errors(load.closed(running.server, requests, seconds, core, connections=connections))
    if rate is None:
        return load.closed(running.server, requests, seconds, core, rotate, connections)
    return load.at_rate(running.server, requests, seconds, core, rate, connections, rotate)


def requests_for(route: str, running: Running) -> list[Request]:
    if route == "fixed":
        return [FIXED_ANSWER]
    if running.account is None or route == "hello":
        return [hello()]
    if route == "me":
        # Signed in anew: an access token is valid for ten minutes only.
        return [me(sign_in_often(running.server.address, [USERNAME])[0])]
    if route == "refresh":
        return [refresh(session) for session in sign_in_often(running.server.address, [USERNAME] * SESSIONS)]
    return [login(USERNAME)]


def without_errors(sample: Sample) -> Sample:
    return Sample(**(sample.__dict__ | {"errors": 0}))


def storms(context: Context, running: dict[str, Running]) -> Json:
    found: Json = {name: [] for name in running if name in ("slipway", "axum", "fastapi")}
    for _ in range(context.long_rounds):
        for name, rounds in found.items():
            rounds.append(storm(context, running[name]))
    return found


def storm(context: Context, running: Running) -> Json:
    """GET /health while 64 connections sign in as fast as they can."""
    seconds = context.long_seconds
    with load.request_file(running.server, [login(USERNAME)]) as file:
        command = load.load_command(running.server.address, 0, seconds + 1, context.connections, file.name)
        with subprocess.Popen(pinned(context.cores.load, command), stdout=subprocess.PIPE, text=True) as process:
            health = probe(context, running.server, seconds)
            output, _ = process.communicate(timeout=seconds + 60)
    logins = load.parse_sample(output, 0)
    say(f"  storm, {running.server.folder.name}: /health {describe(health)}, {logins.per_second:.0f} logins a second")
    return {"health": health.to_json(), "logins_per_second": round(logins.per_second, 1), "login_errors": logins.errors}


def probe(context: Context, server: Process, seconds: float) -> Sample:
    request = [Request("GET", "/health")]
    return load.at_rate(server, request, seconds, context.cores.load, HEALTH_PER_SECOND, connections=8)


def as_json(samples: Samples) -> Json:
    result: Json = {}
    for (name, route), rounds_of_it in samples.items():
        result.setdefault(route, {})[name] = [sample.to_json() for sample in rounds_of_it]
    return result


def describe(sample: Sample) -> str:
    errors = f", {sample.errors} errors" if sample.errors else ""
    return (
        f"{sample.per_second:.0f}/s, p50 {sample.p50 / 1000:.2f} ms, p99 {sample.p99 / 1000:.2f} ms, "
        f"{sample.cpu_us:.0f} us each, core {sample.busy:.0%} busy{errors}"
    )
