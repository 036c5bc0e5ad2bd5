"""The programs that are measured, built from the checkout."""

import os
import shutil
import subprocess
import sys
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
    """A program of bench/Cargo.toml."""
    cargo(ROOT / "bench", "build", "--release", "--package", package, "--target-dir", str(TARGET))
    return TARGET / "release" / package


@cache
def fastapi_python() -> Path:
    """The Python that has what the FastAPI peer needs."""
    environment, requirements = TARGET / "fastapi", FASTAPI / "requirements.txt"
    installed = environment / "installed.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        run([sys.executable, "-m", "venv", "--clear", str(environment)])
        pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--requirement", str(requirements)])
        shutil.copy(requirements, installed)
    return environment / "bin/python"


def cargo(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
    run(["cargo", arguments[0], "--locked", "--quiet", *arguments[1:]], folder, environment)


def run(command: list[str], folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    if subprocess.run(command, cwd=folder, env=os.environ | (environment or {})).returncode:
        raise SystemExit(f"bench/run: {' '.join(command)} failed; it says why above")
