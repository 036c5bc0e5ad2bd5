"""Makes a self-contained package of Debian archives: debian-package.py PLAN.json OUT ARCHIVE...

Copies the programs and trees that the plan names and every shared library that they need, and points them at one another
(patchelf, which handles programs of any architecture).
"""

import glob
import json
import os
import shutil
import struct
import subprocess
import sys

plan_file, out, *archives = sys.argv[1:]
with open(plan_file) as file:
    plan = json.load(file)
tree = os.path.abspath("tree")
library_folders = [f"{tree}/{folder}/{plan['triple']}" for folder in ("usr/lib", "lib")]
library_folders += [f"{tree}/usr/lib", f"{tree}/lib"]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True)


def is_elf(path):
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb") as content:
        return content.read(4) == b"\x7fELF"


def needed(path):
    return output("patchelf", "--print-needed", path).stdout.split()


def find_library(name):
    for folder in library_folders:
        if os.path.exists(f"{folder}/{name}"):
            return os.path.realpath(f"{folder}/{name}")
    sys.exit(f"none of the archives has {name}")


def matches(pattern):
    return sorted(glob.glob(f"{tree}/{pattern}"))


def copy(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def all_files(folder):
    return [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]


def add_libraries(users):
    """Copies what `users` need, and what that needs, and returns all of it by name."""
    found, waiting = {}, list(users)
    while waiting:
        for name in needed(waiting.pop()):
            if name not in found:
                found[name] = f"{out}/lib/{name}"
                copy(find_library(name), found[name])
                os.chmod(found[name], 0o755)
                waiting.append(found[name])
    return found


def point_at_one_another(users, libraries):
    loader = next((path for name, path in libraries.items() if name.startswith("ld-linux")), None)
    for path in users + [path for name, path in libraries.items() if not name.startswith(("ld-linux", "libc.so"))]:
        options = ["--force-rpath", "--set-rpath", f"{out}/lib"]
        if output("patchelf", "--print-interpreter", path).returncode == 0:
            options += ["--set-interpreter", loader]
        subprocess.run(["patchelf", *options, path], check=True)
        drop_property_note(path)


def drop_property_note(path):
    """Makes nothing of the program header PT_GNU_PROPERTY. patchelf 0.14 moves the note and leaves the header pointing at
    where it was, and qemu refuses such a program. The note says which hardening of the processor may be used."""
    with open(path, "r+b") as file:
        header = file.read(64)
        (offset,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<HH", header, 54)
        for number in range(count):
            file.seek(offset + number * size)
            if file.read(4) == bytes.fromhex("53e57464"):
                file.seek(offset + number * size)
                file.write(bytes(4))


for archive in archives:
    subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True)
for pattern in plan["without"]:
    for path in matches(pattern):
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
for program in plan["programs"]:
    for path in matches(program):
        copy(os.path.realpath(path), f"{out}/bin/{os.path.basename(path)}")
for pattern, target in plan["trees"].items():
    for path in matches(pattern):
        name = os.path.basename(path) if target.endswith("/") else ""
        copy(path, os.path.join(out, target, name).rstrip("/"))
users = [path for path in all_files(out) if is_elf(path) and not path.endswith((".o", ".a"))]
if users:
    point_at_one_another(users, add_libraries(users))
