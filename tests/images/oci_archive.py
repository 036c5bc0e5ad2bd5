"""Reads an OCI image archive (https://github.com/opencontainers/image-spec), which is what `nix build .#image` makes."""

import hashlib
import io
import json
import subprocess
import tarfile
from functools import cached_property


class Image:
    """One image of one platform."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as archive:
            self.blobs = {
                entry.name.removeprefix("blobs/").replace("/", ":"): archive.extractfile(entry).read()
                for entry in archive
                if entry.name.startswith("blobs/") and entry.isfile()
            }
            (self.descriptor,) = json.load(archive.extractfile("index.json"))["manifests"]
        self.manifest = json.loads(self.blobs[self.digest])
        self.configuration = json.loads(self.blobs[self.manifest["config"]["digest"]])

    @property
    def digest(self):
        """The one under which a registry knows it."""
        return self.descriptor["digest"]

    @property
    def reference(self):
        """Name and tag under which an engine loads it."""
        return self.descriptor["annotations"]["org.opencontainers.image.ref.name"]

    @property
    def config(self):
        """How it is run: user, entry point and so on."""
        return self.configuration["config"]

    @property
    def layers(self):
        """The digests of the layers, the lowest first."""
        return [layer["digest"] for layer in self.manifest["layers"]]

    @property
    def compressed_size(self):
        """What is downloaded, in bytes."""
        return sum(layer["size"] for layer in self.manifest["layers"])

    @cached_property
    def files(self):
        """The entries of all layers by absolute path: (TarInfo, first bytes of a file)."""
        files = {}
        for digest in self.layers:
            tar = subprocess.run(["zstd", "-dc"], input=self.blobs[digest], stdout=subprocess.PIPE, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(tar)) as layer:
                for entry in layer:
                    head = layer.extractfile(entry).read(20) if entry.isreg() else b""
                    files["/" + entry.name] = (entry, head)
        return files

    def wrong_digests(self):
        """Blobs that are not what their names say."""
        return [name for name, blob in self.blobs.items() if name != "sha256:" + hashlib.sha256(blob).hexdigest()]
