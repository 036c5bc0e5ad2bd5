"""The programs that are measured, built from the checkout."""

import os
import subprocess
from functools import cache
from pathlib import Path

from .machine import ROOT

TARGET = ROOT / "target/bench"
FASTAPI = ROOT / "bench/peers/fastapi"


@cache
def slipway() -> Path:
    """The server; SLIPWAY_BINARY names one that is built already."""
    if given := os.environ.get("SLIPWAY_BINARY"):
        return Path(given).resolve()
    cargo(ROOT, "build", "--release", "--bin", "slipway")
    return ROOT / "target/release/slipway"


@cache
def tool(package: str) -> Path:
    """A program of bench/Cargo.toml; as a debug build if BENCH_PROFILE=dev says so, for tests that measure nothing."""
    profile = os.environ.get("BENCH_PROFILE", "release")
    cargo(ROOT / "bench", "build", "--profile", profile, "--package", package, "--target-dir", str(TARGET))
    return TARGET / {"dev": "debug"}.get(profile, profile) / package


@cache
def fastapi_python() -> Path:
    """The Python that has what the FastAPI peer needs."""
    environment = TARGET / "fastapi"
    run([str(ROOT / "tests/virtualenv"), str(environment), str(FASTAPI / "requirements.txt")])
    return environment / "bin/python"


def cargo(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
    run(["cargo", arguments[0], "--locked", "--quiet", *arguments[1:]], folder, environment)


def run(command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    if subprocess.run(command, cwd=folder, env=os.environ | (environment or {})).returncode:
        raise SystemExit(f"bench/run: {' '.join(command)} failed; it says why above")
