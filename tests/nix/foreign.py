"""Fails when a closure has derivations for a system that is neither the host's nor substituted:
foreign.py CLOSURE.json HOST CACHE_SYSTEM

CACHE_SYSTEM is where the stand-in for the public cache builds. With the real nixpkgs, packages of aarch64-linux appear in
the closure, too, as what the cache has; then those that nixpkgs itself does not define are looked for.
"""

import json
import sys

closure, host, cache_system = sys.argv[1:]
with open(closure) as file:
    derivations = json.load(file)
derivations = derivations.get("derivations", derivations)
foreign = [path for path, derivation in derivations.items() if derivation["system"] not in (host, cache_system, "builtin")]
ours = [path for path in foreign if "slipway" in path or "image" in path]
is_standin = any(derivations[path]["system"] == cache_system for path in derivations)
assert not (foreign if is_standin else ours), "\n".join(foreign)
print(len(derivations), "derivations")
