"""Small images, written by the archive writer that the flake uses. An app has a layer that stays and one that is its code."""

import hashlib
import json
import random
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from aws import ROOT


@dataclass(frozen=True)
class Image:
    path: Path
    digest: str
    layers: dict[str, int]  # digest => bytes


def build(folder: Path, name: str, layers: dict[str, int], revision: str | None = None) -> Image:
    """Layers are content => bytes: the same words give the same layer. The archive is FOLDER/NAME.oci.tar."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {"org.opencontainers.image.version": "1.0"}
    if revision:
        labels["org.opencontainers.image.revision"] = revision
    trees = []
    for word, size in layers.items():
        tree = folder / "trees" / hashlib.sha256(f"{word} {size}".encode()).hexdigest()[:12]
        tree.mkdir(parents=True, exist_ok=True)
        (tree / word).write_bytes(random.Random(word).randbytes(size))
        trees.append({"trees": [str(tree)], "directories": [], "storePaths": None})
    description = {
        "reference": f"{name}:1.0", "architecture": "arm64", "variant": "v8", "created": 1, "layers": trees, "config": {"Labels": labels},
    }
    (folder / f"{name}.json").write_text(json.dumps(description))
    archive = folder / f"{name}.oci.tar"
    subprocess.run([sys.executable, ROOT / "nix/oci/archive.py", folder / f"{name}.json", archive], check=True)
    return read(archive)


def read(archive: Path) -> Image:
    with tarfile.open(archive) as tar:
        def blob(path: str) -> dict:
            return json.load(tar.extractfile(path))

        [descriptor] = blob("index.json")["manifests"]
        manifest = blob("blobs/" + descriptor["digest"].replace(":", "/"))
    return Image(archive, descriptor["digest"], {layer["digest"]: layer["size"] for layer in manifest["layers"]})
