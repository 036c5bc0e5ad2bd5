"""Fails when flake.lock is not that of flake.nix: lock.py FLAKE LOCK"""

import json
import re
import sys

flake, lock = (open(path).read() for path in sys.argv[1:])
nodes = json.loads(lock)["nodes"]
wanted = dict(re.findall(r'(?:^\s*|\b)([\w-]+)(?:\.url| = \{\s*url) = "([^"]+)"', flake, re.MULTILINE))
assert wanted.keys() == nodes["root"]["inputs"].keys() == nodes.keys() - {"root"}, (wanted, sorted(nodes))
for name, url in wanted.items():
    locked, original = nodes[name]["locked"], nodes[name]["original"]
    named = f"github:{original['owner']}/{original['repo']}" + (f"/{original['ref']}" if "ref" in original else "")
    assert named == url, f"{name} is locked for {named}, flake.nix says {url}"
    assert re.fullmatch(r"[0-9a-f]{40}", locked["rev"]) and re.fullmatch(r"sha256-[A-Za-z0-9+/]{43}=", locked["narHash"]), name
    assert (locked["owner"], locked["repo"]) == (original["owner"], original["repo"]), name
    print(name, locked["rev"])
