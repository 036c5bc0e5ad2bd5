"""Prints a CycloneDX 1.6 document: sbom.py INPUT.json Cargo.toml Cargo.lock (INPUT.json as default.nix makes it).

Crates are those that Cargo.lock can lead to from the programs that ship, without the dependencies of tests. That is a
little more than what is linked: crates of other platforms and of build scripts are among them.
"""

import json
import re
import sys
import tomllib

input_file, manifest_file, lock_file = sys.argv[1:]
with open(input_file) as file:
    image = json.load(file)
with open(manifest_file, "rb") as file:
    manifest = tomllib.load(file)
with open(lock_file, "rb") as file:
    locked = tomllib.load(file)["package"]


def find(dependency):
    """The locked package that a line such as `name` or `name 1.2.3` means."""
    name, _, version = dependency.partition(" ")
    version = version.partition(" ")[0]
    return next(p for p in locked if p["name"] == name and version in ("", p["version"]))


def reachable():
    tests_only = set(manifest["dev-dependencies"]) - set(manifest["dependencies"])
    found, waiting = {}, [find(name) for name in image["rootPackages"]]
    while waiting:
        package = waiting.pop()
        key = (package["name"], package["version"])
        if key in found:
            continue
        found[key] = package
        for dependency in package.get("dependencies", []):
            if package["name"] != image["name"] or dependency.partition(" ")[0] not in tests_only:
                waiting.append(find(dependency))
    return [found[key] for key in sorted(found)]


def crate(package):
    component = {
        "type": "library",
        "name": package["name"],
        "version": package["version"],
        "purl": f"pkg:cargo/{package['name']}@{package['version']}",
    }
    if "checksum" in package:
        component["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
    return component


def bundled(program):
    return {
        "type": "application",
        "name": program["name"],
        "version": program["version"],
        "licenses": [{"license": {"id": program["licence"]}}],
        "purl": f"pkg:generic/{program['name']}@{program['version']}",
    }


def stored(path):
    match = re.match(r"/nix/store/\w{32}-(.+?)-(\d[^-]*)", path)
    name, version = match.groups() if match else (path[44:], "")
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:nix/{name}@{version}"}


with open(image["storePaths"]) as lines:
    store_paths = sorted(lines.read().split())
components = [crate(package) for package in reachable() if "source" in package]
components += [bundled(program) for program in image["bundled"]]
components += [stored(path) for path in store_paths]
for number, component in enumerate(components):
    component["bom-ref"] = f"{number}-{component['name']}"
json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": image["name"],
                "version": image["version"],
                "licenses": [{"license": {"id": image["license"]}}],
                "properties": [{"name": "git:revision", "value": image["revision"]}],
            }
        },
        "components": components,
    },
    sys.stdout,
    indent=2,
)
