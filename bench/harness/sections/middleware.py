"""What each piece of middleware costs: GET /hello of builds that lack it (bench/middleware.toml) against the whole server.

The builds differ from the release build in that only each crate by itself is optimised (no LTO), which takes a minute
instead of many for each; the whole server is built so, too."""

import subprocess
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .. import builds, load, servers
from ..context import Context, Json, say
from ..machine import ROOT
from ..processes import Process, free_port
from ..requests import hello

FOLDER = builds.TARGET / "middleware"
WHOLE, NOTHING = "whole", "without_all"


@dataclass(frozen=True)
class Replacement:
    file: str
    old: str
    new: str


def pieces() -> dict[str, list[Replacement]]:
    """What is replaced for each piece."""
    told = tomllib.loads((ROOT / "bench/middleware.toml").read_text())
    return {name: [Replacement(**replacement) for replacement in piece["replace"]] for name, piece in told.items()}


def variants() -> dict[str, list[Replacement]]:
    each = pieces()
    every = [replacement for replacements in each.values() for replacement in replacements]
    return {WHOLE: []} | each | {NOTHING: every}


def replaced(sources: dict[str, str], replacements: list[Replacement]) -> dict[str, str]:
    """The sources with each text replaced, which must be there exactly once."""
    sources = dict(sources)
    for replacement in replacements:
        count = sources[replacement.file].count(replacement.old)
        if count != 1:
            raise ValueError(
                f"bench/middleware.toml: {replacement.file} has the text {count} times and should have it once; "
                f"copy it anew from there:\n{replacement.old}"
            )
        sources[replacement.file] = sources[replacement.file].replace(replacement.old, replacement.new)
    return sources


def build() -> None:
    # One folder for all, so that cargo, which goes by the time of a file, sees what differs from the variant before.
    folder = FOLDER / "sources"
    built: dict[bytes, str] = {}
    for name, replacements in variants().items():
        copy_sources(folder, replacements)
        say(f"  building {name}")
        environment = {
            "CARGO_PROFILE_RELEASE_LTO": "off",
            "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
            # They are of what is no longer used.
            "RUSTFLAGS": "-Awarnings",
        }
        target = str(FOLDER / "target")
        builds.cargo(folder, "build", "--release", "--bin", "slipway", "--target-dir", target, environment=environment)
        program = (FOLDER / "target/release/slipway").read_bytes()
        if other := built.get(program):
            raise RuntimeError(f"the builds {other} and {name} are the same program: nothing was taken out")
        built[program] = name
        binary = FOLDER / f"slipway-{name}"
        binary.unlink(missing_ok=True)
        binary.write_bytes(program)
        binary.chmod(0o755)


def copy_sources(folder: Path, replacements: list[Replacement]) -> None:
    """What the server is built from. A file that is the same already is left alone, so that cargo does not build anew."""
    edited = replaced({item.file: (ROOT / item.file).read_text() for item in replacements}, replacements)
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in listed.splitlines():
        if name.startswith(("bench/", "tests/", "terraform/")) or not (ROOT / name).is_file():
            continue
        content = edited[name].encode() if name in edited else (ROOT / name).read_bytes()
        copy = folder / name
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)


def run(context: Context) -> Json:
    found: Json = {"per_second": {}, "cpu_us": {}}
    with ExitStack() as stack:
        running: dict[str, Process] = {}
        for name in variants():
            database = stack.enter_context(context.database(f"bench_{name}"))
            running[name] = stack.enter_context(start(context, name, database))
        for number in range(context.rounds):
            for name, server in running.items():
                sample = load.closed(server, [hello()], context.seconds, context.cores.load)
                found["per_second"].setdefault(name, []).append(round(sample.per_second))
                found["cpu_us"].setdefault(name, []).append(round(sample.cpu_us, 2))
    for name, values in found["cpu_us"].items():
        say(f"  {name}: {median(values):.2f} us of processor time, {median(found['per_second'][name]):.0f}/s")
    return found


def start(context: Context, name: str, database: str) -> Process:
    port = free_port()
    place = servers.Place(context.folder / name, context.services.redis_url, context.cores.server)
    environment = servers.slipway_environment(place, database) | {"LISTEN": f"127.0.0.1:{port}"}
    return servers.start(place, name, [str(FOLDER / f"slipway-{name}")], environment, port)
