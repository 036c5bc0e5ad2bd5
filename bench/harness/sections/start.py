"""From exec to the first 200 of /ready on a migrated database, and what has to be downloaded before."""

import json
import tarfile
from pathlib import Path
from statistics import median

from .. import builds, servers
from ..context import Context, Json, say

STARTERS = {name: servers.STARTERS[name] for name in ("slipway", "axum", "fastapi")}


def run(context: Context) -> Json:
    starts = 3 if context.quick else 11
    found: Json = {"binary_bytes": builds.slipway().stat().st_size, "seconds": {}, "images": {}}
    for name, starter in STARTERS.items():
        with context.database(f"bench_{name}") as database:
            seconds = []
            for _ in range(starts):
                with starter(context.place(), database) as server:
                    seconds.append(round(server.seconds_to_ready, 4))
        found["seconds"][name] = sorted(seconds)
        say(f"  {name}: ready after {median(seconds) * 1000:.0f} ms")
    for path in context.images:
        found["images"].update(image_sizes(path))
    return found


def image_sizes(path: Path) -> Json:
    """Compressed sizes in bytes of one OCI archive, in all and by layer."""
    with tarfile.open(path) as archive:
        index = read_json(archive, "index.json")
        (descriptor,) = index["manifests"]
        manifest = read_json(archive, "blobs/" + descriptor["digest"].replace(":", "/"))
    name = descriptor["annotations"]["org.opencontainers.image.ref.name"]
    return {name: [layer["size"] for layer in manifest["layers"]]}


def read_json(archive: tarfile.TarFile, name: str) -> Json:
    member = archive.extractfile(name)
    assert member, name
    return json.load(member)
