"""Prints what the stand-in has to know of this machine, as JSON: machine.py FOLDER TOOLCHAIN CARGO_TARGET_FOLDER"""

import json
import os
import platform
import re
import subprocess
import sys

folder, toolchain, target_folder = sys.argv[1:]
nixpkgs = f"{folder}/nixpkgs"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def version_of(archive):
    """The upstream version in the name of a Debian archive."""
    name = os.path.basename(archive)
    return re.match(r"[^_]+_(?:\d-3a)?(\d+(?:\.\d+)*[a-z]?)", name).group(1)


def package(name):
    """Its version, that of the first Debian package it is made of, and its archives by architecture."""
    files, own = {}, {"bash": "bash_", "compiler-rt": "libclang-rt", "musl": "musl-dev", "postgresql": "postgresql-17_", "tzdata": "tzdata_"}[name]
    for architecture in os.listdir(f"{nixpkgs}/debs"):
        archives = sorted(os.listdir(f"{nixpkgs}/debs/{architecture}/{name}"))
        files[architecture] = [f"{name}/{archive}" for archive in archives]
    main = next(archive for archive in os.listdir(f"{nixpkgs}/debs/amd64/{name}") if archive.startswith(own))
    return {"version": version_of(main), "files": files}


def sources():
    found = {}
    for file in sorted(os.listdir(f"{nixpkgs}/sources")):
        found[file.split("_")[0]] = {"version": version_of(file), "file": file}
    return found


json.dump(
    {
        "system": f"{platform.machine()}-linux",
        "cargoHome": os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")),
        "targetFolder": target_folder,
        "toolchain": toolchain,
        "shellcheck": f"{folder}/shellcheck/bin/shellcheck",
        "clang": {
            "version": re.search(r"version ([0-9.]+)", output("clang", "--version")).group(1),
            "resources": output("clang", "--print-resource-dir").strip(),
        },
        "packages": {name: package(name) for name in os.listdir(f"{nixpkgs}/debs/amd64")},
        "sources": sources(),
    },
    sys.stdout,
    indent=2,
)
