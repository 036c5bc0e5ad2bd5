"""A real registry (Debian's docker-registry) that wants ECR's password, behind a proxy that counts what is uploaded and can
break off."""

import base64
import os
import re
import socket
import subprocess
import threading
import time
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What `aws ecr get-login-password` prints with moto: 123456789012-auth-token, as bcrypt for the user AWS.
PASSWORD = "123456789012-auth-token"
HTPASSWD = "AWS:$2b$04$N66qbxpTfuFN.1JL2Ri3XO3o0N5GAosRYvIDcdmd7aMUVOkqdDIrC\n"

CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/storage}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: registry, path: {folder}/htpasswd}}}}
log: {{level: error}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.behind = ("127.0.0.1", free_port())
        (folder / "htpasswd").write_text(HTPASSWD)
        (folder / "config.yml").write_text(CONFIGURATION.format(folder=folder, address="%s:%s" % self.behind))
        command = [os.environ["DOCKER_REGISTRY"], "serve", str(folder / "config.yml")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as connection:
                if connection.connect_ex(self.behind) == 0:
                    break
            time.sleep(0.05)
        self.uploads: list[str] = []  # the digests of blobs that arrived whole, as often as they did
        self.received = 0
        self.breaks_after: int | None = None
        self.returns_at: float | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"registry": self}))
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.process.terminate()
        self.process.wait()

    def break_off(self, after_bytes: int, for_seconds: float | None = None) -> None:
        """Goes away in the middle of an upload, for a while or until `come_back`."""
        self.received, self.breaks_after = 0, after_bytes
        self.returns_at = None
        self.away_for = for_seconds

    def come_back(self) -> None:
        self.breaks_after = self.returns_at = None

    def is_away(self) -> bool:
        if self.breaks_after is None or self.received < self.breaks_after:
            return False
        if self.returns_at is None and self.away_for is not None:
            self.returns_at = time.monotonic() + self.away_for
        if self.returns_at is not None and time.monotonic() >= self.returns_at:
            self.come_back()
            return False
        return True

    def request(self, method: str, path: str, headers: dict, body: bytes | None = None):
        connection = HTTPConnection(*self.behind, timeout=30)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def has(self, path: str) -> bool:
        """Whether it answers 200 to HEAD /v2/PATH."""
        token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        accept = "application/vnd.oci.image.manifest.v1+json"
        answer, _ = self.request("HEAD", f"/v2/{path}", {"Authorization": f"Basic {token}", "Accept": accept})
        return answer.status == 200


class Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.read_body()
        if body is None or self.registry.is_away():
            self.close_connection = True
            self.connection.close()
            return
        left_out = ("transfer-encoding", "connection", "content-length")
        headers = {name: ", ".join(self.headers.get_all(name)) for name in self.headers if name.lower() not in left_out}
        headers["Content-Length"] = str(len(body))
        try:
            answer, content = self.registry.request(self.command, self.path, headers, body or None)
        except (OSError, HTTPException):
            self.close_connection = True
            return
        self.note_upload(answer)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def note_upload(self, answer) -> None:
        """A blob's digest comes with the PUT that ends its upload."""
        digest = re.search(r"/blobs/uploads/.*digest=(sha256(?::|%3A)[0-9a-f]+)", self.path)
        if self.command == "PUT" and digest and answer.status == 201:
            self.registry.uploads.append(digest[1].replace("%3A", ":"))

    def read_body(self) -> bytes | None:
        """None when the registry goes away while it arrives."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.take(int(self.headers.get("Content-Length") or 0))
        content = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
            part = self.take(size)
            if part is None:
                return None
            self.rfile.readline()
            content += part
            if size == 0:
                return content

    def take(self, size: int) -> bytes | None:
        content = b""
        while len(content) < size:
            part = self.rfile.read(min(65536, size - len(content)))
            if not part:
                return None
            content += part
            if self.command == "PATCH":
                self.registry.received += len(part)
                if self.registry.is_away():
                    return None
        return content

    def log_message(self, *_) -> None:
        pass
