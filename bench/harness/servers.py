"""The servers that are compared: Slipway, the same routes on axum and on FastAPI, and nginx with a fixed body."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import builds
from .machine import ROOT, find_program
from .processes import Process, free_port

# 256 bits, for servers that live as long as a run.
JWT_SECRET = "a-secret-of-the-benchmark-that-guards-nothing"

TITLES = {
    "slipway": "Slipway",
    "axum": "axum + sqlx",
    "fastapi": "FastAPI",
    "nginx": "nginx, fixed body",
    "container": "Slipway behind nginx",
    "nginx_own": "its nginx, fixed answer",
}


@dataclass(frozen=True)
class Place:
    """Where a server is started."""

    folder: Path
    redis_url: str
    core: int | None = None
    wrapper: tuple[str, ...] = ()


def slipway(place: Place, database_url: str, **settings: str) -> Process:
    port = free_port()
    environment = slipway_environment(place, database_url) | {"LISTEN": f"127.0.0.1:{port}"} | settings
    return start(place, "slipway", [str(builds.slipway())], environment, port)


def container(place: Place, database_url: str, **settings: str) -> Process:
    """nginx with its own configuration in front of the server, as the image runs them."""
    port, folder = free_port(), place.folder / "container"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(render_nginx(port))
    environment = slipway_environment(place, database_url) | {
        "SLIPWAY_NGINX": find_program("nginx"),
        "SLIPWAY_NGINX_CONFIG": str(configuration),
        "SLIPWAY_RUNTIME_DIR": str(folder / "run"),
    }
    return start(place, "container", [str(builds.slipway()), "container"], environment | settings, port)


def slipway_environment(place: Place, database_url: str) -> dict[str, str]:
    """Production, but for the limits of attempts, which one client would reach at once, and without a drain."""
    return {
        "SLIPWAY_ENV": "production",
        "LOG_FORMAT": "json",
        "DATABASE_URL": database_url,
        "DATABASE_MAX_CONNECTIONS": "10",  # as many as the peers have
        "REDIS_URL": place.redis_url,
        "JWT_SECRET": JWT_SECRET,
        "METRICS_LISTEN": f"127.0.0.1:{free_port()}",
        "ACCEPT_RISKS": "no-limits",
        "RATE_LIMIT_PER_ADDRESS": "0",
        "RATE_LIMIT_PER_ACCOUNT": "0",
        "DRAIN_SECONDS": "0",
    }


def axum(place: Place, database_url: str) -> Process:
    port = free_port()
    environment = peer_environment(place, database_url) | {"LISTEN": f"127.0.0.1:{port}"}
    return start(place, "axum", [str(builds.tool("axum-peer"))], environment, port)


def fastapi(place: Place, database_url: str) -> Process:
    port = free_port()
    command = [str(builds.fastapi_python()), "-m", "uvicorn", "app:app", "--app-dir", str(builds.FASTAPI)]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    # Longer than load balancers keep idle connections, as with the others; the default is 5 s.
    command += ["--timeout-keep-alive", "90"]
    environment = peer_environment(place, database_url) | {"PYTHONDONTWRITEBYTECODE": "1"}
    return start(place, "fastapi", command, environment, port)


def peer_environment(place: Place, database_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": place.redis_url, "JWT_SECRET": JWT_SECRET}


def nginx(place: Place, _database_url: str = "") -> Process:
    port, folder = free_port(), place.folder / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "bench/peers/nginx/nginx.conf").read_text().replace("LISTEN", f"127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(text)
    folder.chmod(0o755)
    command = [find_program("nginx"), "-p", str(folder), "-c", "nginx.conf"]
    return start(place, "nginx", command, {}, port, ready_path="/hello")


STARTERS: dict[str, Callable[..., Process]] = {
    "slipway": slipway,
    "axum": axum,
    "fastapi": fastapi,
    "nginx": nginx,
    "container": container,
}


def start(
    place: Place, name: str, command: list[str], environment: dict[str, str], port: int, ready_path: str = "/ready"
) -> Process:
    folder = place.folder / name
    return Process(command, environment, folder, port, place.core, ready_path, place.wrapper)


def render_nginx(port: int) -> str:
    """nix/nginx-conf.nix with the limits off that one client would reach at once."""
    unlimited = "credentialsPerSecond = 100000; refreshesPerSecond = 100000; connectionsPerAddress = 20000;"
    # Each connection of a client can take one to the server.
    arguments = f'listen = "127.0.0.1:{port}"; workerConnections = 22000; {unlimited}'
    expression = f"import {ROOT}/nix/nginx-conf.nix {{ {arguments} }}"
    command = [find_program("nix-instantiate"), "--eval", "--strict", "--json", "--store", "dummy://", "-E", expression]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"nix-instantiate failed: {result.stderr}")
    return json.loads(result.stdout)


def migrate(database_url: str) -> None:
    """Makes the tables, which all peers share the shape of."""
    command = [str(builds.slipway()), "migrate"]
    environment = {"DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
