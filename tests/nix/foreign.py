"""Fails when a closure has derivations for a system that is neither the host's nor substituted:
foreign.py CLOSURE.json HOST CACHE_SYSTEM

CACHE_SYSTEM is where the stand-in for the public cache builds. With the real nixpkgs, packages of aarch64-linux appear in
the closure, too, as what the cache has; then those that this flake defines are looked for.
"""

import json
import re
import sys

# The names that this flake gives, and not only words in them: nixpkgs has packages such as python3.13-imagesize.
OURS = re.compile(
    r"(slipway|postgres-(links|entrypoint)|image-base|certificates|nginx\.conf)\b.*|.*\.oci\.tar|.*-(aarch64|x86_64)-linux-musl\b.*"
)


def is_ours(name):
    return OURS.fullmatch(name) is not None


def name_of(path):
    """The name behind the hash of a derivation's path."""
    return path.rsplit("/", 1)[-1].split("-", 1)[-1].removesuffix(".drv")


def main():
    closure, host, cache_system = sys.argv[1:]
    with open(closure) as file:
        derivations = json.load(file)
    derivations = derivations.get("derivations", derivations)
    foreign = [path for path, derivation in derivations.items() if derivation["system"] not in (host, cache_system, "builtin")]
    is_standin = any(derivation["system"] == cache_system for derivation in derivations.values())
    found = foreign if is_standin else [path for path in foreign if is_ours(name_of(path))]
    assert not found, "\n".join(found)
    print(len(derivations), "derivations")


if __name__ == "__main__":
    main()
