"""bench/results.json: what each section found, when and on what machine. A section that is run again replaces its own
part only."""

import json
import subprocess
from datetime import date
from pathlib import Path

from .context import Json
from .machine import ROOT, describe, load_average

FILE = ROOT / "bench/results.json"


def read(file: Path = FILE) -> Json:
    return json.loads(file.read_text()) if file.exists() else {}


def add_section(name: str, found: Json, quick: bool, seconds: float, file: Path = FILE) -> None:
    """Writes the file anew, so that what was measured is kept when a later section fails."""
    results = read(file)
    results[name] = {
        "measured": {
            "date": date.today().isoformat(),
            "commit": commit(),
            "quick": quick,
            "seconds": round(seconds),
            "load_average": round(load_average(), 1),
            "machine": describe(),
        },
        "found": found,
    }
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    temporary.replace(file)


def commit() -> str:
    """What was measured, and whether anything that is built was changed since."""
    head = git("rev-parse", "--short=10", "HEAD")
    changed = git("status", "--porcelain", "--", "src", "migration", "Cargo.toml", "Cargo.lock", "bench/peers")
    return f"{head} with changes" if changed else head


def git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return result.stdout.strip()
