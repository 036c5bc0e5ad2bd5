"""A program from its start to the end of the `with` block."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from .machine import cpu_seconds, pinned, process_tree, pss_bytes

START_PATIENCE_SECONDS = 60
STOP_PATIENCE_SECONDS = 30


class Process:
    """A server on loopback, pinned to a core, that writes its log to a file. It is ready when that path answers 200 or,
    without a path, when it accepts connections. `wrapper` is a command that becomes the server's."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: Path,
        port: int,
        core: int | None = None,
        ready_path: str | None = "/ready",
        wrapper: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{port}"
        self.folder = folder
        self.log = folder / "log"
        command = command if core is None else pinned(core, command)
        # A run that is killed leaves no server behind.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        # Appending, so that the file can be emptied under the program.
        with self.log.open("ab") as log:
            started = time.monotonic()
            self.process = subprocess.Popen(
                [*wrapper, *command],
                env=inherited | environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.await_ready(ready_path, started + START_PATIENCE_SECONDS)
        except BaseException:
            self.process.kill()
            raise
        self.seconds_to_ready = time.monotonic() - started

    def await_ready(self, path: str | None, deadline: float) -> None:
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if is_ready(self.address, path):
                    return
            except OSError:
                pass
            time.sleep(0.001)
        raise RuntimeError(f"{self.folder.name} was not ready:\n{self.log.read_text()[-2000:]}")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pss(self) -> int:
        return pss_bytes(process_tree(self.process.pid))

    def cpu_seconds(self) -> float:
        return cpu_seconds(process_tree(self.process.pid))

    def forget_log(self) -> None:
        """A minute of access lines is a gigabyte."""
        for log in (self.log, self.folder / "access.log"):
            if log.exists():
                os.truncate(log, 0)


def is_ready(address: str, path: str | None) -> bool:
    if path is not None:
        return get_status(address, path) == 200
    host, port = address.split(":")
    socket.create_connection((host, int(port)), timeout=5).close()
    return True


def get_status(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=15)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
