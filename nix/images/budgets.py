"""Compares images with their budgets: budgets.py APP VALKEY POSTGRES (OCI archives).

Prints the sizes, and fails when one is exceeded, listing the largest store paths and programs, or when an image holds
what a server has no use for.
"""

import collections
import io
import json
import re
import subprocess
import sys
import tarfile

MB = 1_000_000
# What a deploy uploads and every new task downloads before it can start, compressed.
APP_BUDGET = 25 * MB
TOTAL_BUDGET = 90 * MB
# Whatever a shell in the container could be made of, and what costs space without being run. PostgreSQL links libraries
# that are outputs or packages of their own and not these: gcc-15.2.0-lib and -libgcc, systemd-minimal-libs.
UNWANTED = re.compile(r"(gcc|clang|llvm|binutils|rustc|cargo|python3?|perl|systemd)(-wrapper)?-\d(?!.*-lib(gcc)?$)")


def blob(archive, digest):
    return archive.extractfile("blobs/" + digest.replace(":", "/")).read()


def read(path):
    """The compressed size of an image, and the size of its files by store path, or by file outside the store."""
    sizes = collections.Counter()
    with tarfile.open(path) as archive:
        index = json.load(archive.extractfile("index.json"))
        manifest = json.loads(blob(archive, index["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            content = subprocess.run(
                ["zstd", "-dc"], input=blob(archive, layer["digest"]), stdout=subprocess.PIPE, check=True
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(content)) as files:
                for entry in files:
                    sizes["/" + "/".join(entry.name.split("/")[:3])] += entry.size
    return sum(layer["size"] for layer in manifest["layers"]), sizes


def name_of(store_path):
    """The name behind the hash of a store path."""
    return store_path.removeprefix("/nix/store/")[33:] if store_path.startswith("/nix/store/") else store_path


def main():
    problems, total = [], 0
    names = ["app", "valkey", "postgres"]
    for name, path in zip(names, sys.argv[1:], strict=True):
        compressed, sizes = read(path)
        total += compressed
        unpacked = sum(sizes.values())
        print(f"{name:<9}{compressed / MB:6.1f} MB compressed, {unpacked / MB:6.1f} MB unpacked")
        if name == "app" and compressed > APP_BUDGET:
            problems.append(f"the app image has more than {APP_BUDGET // MB} MB")
        for entry, size in sizes.most_common(8):
            print(f"         {size / MB:6.1f} MB {entry}")
        problems += [f"the {name} image holds {entry}" for entry in sizes if UNWANTED.match(name_of(entry))]
    print(f"{'all':<9}{total / MB:6.1f} MB compressed")
    if total > TOTAL_BUDGET:
        problems.append(f"the images have more than {TOTAL_BUDGET // MB} MB together")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
