#!/usr/bin/env python3
"""Turns a folder that holds a version of Slipway into the same version of a service with another name: what `./init` does once
and `./upgrade` for each later version, so that a merge meets changes and no names.

    template/renamed.py NAME FOLDER
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

# In Rust, in names on AWS (32 characters for a load balancer with its environment), in file names and in variables.
NAME = re.compile(r"[a-z][a-z0-9]{2,14}")
# What speaks of Slipway itself, and goes on doing so. MIT keeps its notice.
KEPT = ("LICENSE", "init", "upgrade", "docs/UPGRADING.md", "template/")
# What was measured of Slipway, and says nothing about another service.
DROPPED = ("bench/results.json", "bench/chart-light.svg", "bench/chart-dark.svg")
SERVICE = "template/service"

README = """# {title}

Say here what this service is for. It began as a copy of Slipway, whose changes `./upgrade` brings
([docs/UPGRADING.md](docs/UPGRADING.md)).

"""
CHANGELOG = """# Changelog

What somebody who runs {title} notices. A release that needs more than a deploy says so under **To do**.

## Unreleased
"""
RESULTS = """# What was measured

Nothing yet: `bench/run` measures, and draws this file.
"""


def main(name: str, folder: Path) -> None:
    check_name(name, folder)
    for path in DROPPED:
        (folder / path).unlink(missing_ok=True)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if not str(path.relative_to(folder)).startswith(KEPT):
            rename(name, path)
    begin_documents(name, folder)
    sort_lock(folder / "Cargo.lock")
    subprocess.run(["cargo", "fmt", "--all"], cwd=folder, check=True)
    (folder / SERVICE).write_text(f"{name}\n")


def check_name(name: str, folder: Path) -> None:
    if not NAME.fullmatch(name):
        sys.exit(f'init: the name is "{name}", and has to be 3 to 15 small letters and digits, a letter first')
    crates = re.findall(r'^name = "(.*)"$', (folder / "Cargo.lock").read_text(), re.MULTILINE)
    if name in {*crates, "std", "core", "alloc", "crate", "self", "test"}:
        sys.exit(f"init: {name} is the name of a crate that the service uses: choose another one")


def begin_documents(name: str, folder: Path) -> None:
    title = name.capitalize()
    readme = (folder / "README.md").read_text()
    readme = README.format(title=title) + readme[readme.index("<picture>") :]
    figures = re.compile(r"(<!-- figures: [^>]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)
    (folder / "README.md").write_text(figures.sub(r"\1\2", readme))
    (folder / "CHANGELOG.md").write_text(CHANGELOG.format(title=title))
    (folder / "bench/RESULTS.md").write_text(RESULTS)


def rename(name: str, path: Path) -> None:
    content = path.read_bytes()
    if b"\0" in content:
        return
    text = content.decode()
    renamed = text.replace("slipway", name).replace("Slipway", name.capitalize()).replace("SLIPWAY", name.upper())
    if renamed != text:
        path.write_text(renamed)


def sort_lock(lock: Path) -> None:
    """Cargo writes the packages by name, and takes no other order for up to date."""
    head, *packages = lock.read_text().rstrip("\n").split("\n\n[[package]]\n")
    packages.sort(key=lambda package: package.split("\n", 1)[0])
    lock.write_text("\n\n[[package]]\n".join([head, *packages]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
