"""Writes an OCI image archive: archive.py IMAGE.json OUT.tar (IMAGE.json as default.nix makes it).

The same input gives the same bytes: order, owner, time and mode of every entry are fixed here, and the layers are
compressed by one thread. See https://github.com/opencontainers/image-spec (v1.1).
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from datetime import datetime, timezone

# What Nix gives to every file in its store: tools that compare times see no change where there is none.
FILE_TIME = 1
# The best ratio that needs no more memory than usual to unpack; the layers are small, so it costs seconds.
ZSTD_LEVEL = "-19"
# What Nix on a Mac adds to names that differ from others only by case, and takes for absent when it hashes (`use-case-hack`).
CASE_HACK = re.compile(r"~nix~case~hack~\d+$")


class Layer:
    """The files of one layer, by path without the leading slash."""

    def __init__(self):
        self.entries = {}

    def add_directory(self, path, mode=0o755, owner=0):
        path = path.strip("/")
        self.add_parents(path)
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
        self.entries[path] = (entry, None)

    def add_parents(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.add_directory(parent)

    def add_tree(self, source, path):
        """Adds the file, link or directory `source` as `path`; an empty path is the root."""
        if os.path.isdir(source) and not os.path.islink(source):
            if path and path not in self.entries:
                self.add_directory(path)
            for name in os.listdir(source):
                self.add_tree(os.path.join(source, name), os.path.join(path, CASE_HACK.sub("", name)))
            return
        self.add_parents(path)
        entry = tarfile.TarInfo(path)
        if os.path.islink(source):
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(source), 0o777
        else:
            status = os.stat(source)
            entry.size = status.st_size
            entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
        self.entries[path] = (entry, source)

    def tar(self):
        """The layer as an uncompressed archive."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self.entries):
                entry, source = self.entries[path]
                entry.mtime = FILE_TIME
                if entry.isreg():
                    with open(source, "rb") as content:
                        archive.addfile(entry, content)
                else:
                    archive.addfile(entry)
        return buffer.getvalue()


def read_layer(description, seen):
    """The layer of a description; store paths that an earlier layer has are left out."""
    layer = Layer()
    if description["storePaths"]:
        with open(description["storePaths"]) as lines:
            for path in lines.read().split():
                if path not in seen:
                    seen.add(path)
                    layer.add_tree(path, path.lstrip("/"))
    for tree in description["trees"]:
        layer.add_tree(tree, "")
    for directory in description["directories"]:
        layer.add_directory(directory["path"], int(directory["mode"], 8), directory["owner"])
    return layer.tar()


def compress(content):
    command = ["zstd", ZSTD_LEVEL, "--single-thread", "--quiet", "--stdout"]
    return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


class Blobs:
    """The content of the archive by digest."""

    def __init__(self):
        self.contents = {}

    def add(self, media_type, content):
        """Stores it and returns its descriptor."""
        digest = sha256(content)
        self.contents[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def add_json(self, media_type, value):
        return self.add(media_type, to_json(value))


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def to_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def build(image, blobs):
    """Adds the layers, the configuration and the manifest, and returns the index."""
    seen = set()
    tars = [read_layer(layer, seen) for layer in image["layers"]]
    platform = {"architecture": image["architecture"], "os": "linux"}
    if image["variant"]:
        platform["variant"] = image["variant"]
    created = datetime.fromtimestamp(image["created"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    configuration = platform | {
        "created": created,
        "config": image["config"],
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        "history": [{"created": created, "created_by": "nix"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blobs.add_json("application/vnd.oci.image.config.v1+json", configuration),
        "layers": [blobs.add("application/vnd.oci.image.layer.v1.tar+zstd", compress(tar)) for tar in tars],
        "annotations": image["config"].get("Labels", {}),
    }
    descriptor = blobs.add_json(manifest["mediaType"], manifest)
    descriptor["platform"] = platform
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": image["reference"]}
    return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [descriptor]}


def write(path, index, blobs):
    files = {"oci-layout": to_json({"imageLayoutVersion": "1.0.0"}), "index.json": to_json(index)}
    for digest, content in sorted(blobs.contents.items()):
        files["blobs/" + digest.replace(":", "/")] = content
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        # Folders that an archive leaves out are made by skopeo for root, who an ordinary user is not: "chown: operation not
        # permitted" (containers/storage, pkg/archive, MkdirAllAndChownNew; skopeo 1.9 in Debian 12).
        for name in ("blobs", "blobs/sha256"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mtime, entry.mode = tarfile.DIRTYPE, FILE_TIME, 0o755
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), FILE_TIME, 0o644
            archive.addfile(entry, io.BytesIO(content))


def main():
    description, output = sys.argv[1:]
    with open(description) as file:
        image = json.load(file)
    blobs = Blobs()
    write(output, build(image, blobs), blobs)


if __name__ == "__main__":
    main()
