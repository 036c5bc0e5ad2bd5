"""HTTP/1.1 messages with a Content-Length, which is all that the server sends to clients that take no compression."""

import asyncio
from dataclasses import dataclass

# More than nginx takes, so that no limit of ours is what a request meets.
LIMIT = 1 << 20


@dataclass
class Message:
    """A request or an answer. Names of headers are in lower case."""

    first_line: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    @property
    def status(self):
        return int(self.first_line.split(" ", 2)[1])

    def get(self, name):
        """The value of a header, or an empty string."""
        return next((value for other, value in self.headers if other == name), "")

    def encode(self):
        lines = [self.first_line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


class Connection:
    """One connection, from whichever side. OSError or EOFError when it breaks."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, source=None):
        """Connects to a port of this machine, from the address `source` if there is one."""
        source = (source, 0) if source else None
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=source, limit=LIMIT))

    async def send(self, message):
        self.writer.write(message.encode())
        await self.writer.drain()

    async def receive(self):
        """The next message, or None when the other side has closed the connection instead."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        first_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        message = Message(first_line, [_header(line) for line in lines])
        if message.get("transfer-encoding"):
            raise EOFError(f"a chunked message, which nobody here asked for: {first_line}")
        message.body = await self.reader.readexactly(int(message.get("content-length") or 0))
        return message

    async def ask(self, request):
        """Sends a request and returns the answer; EOFError when the connection is closed instead."""
        await self.send(request)
        answer = await self.receive()
        if answer is None:
            raise EOFError("the connection was closed without an answer")
        return answer

    @property
    def is_closed(self):
        """Whether the other side has closed it, as far as this side has heard."""
        return self.reader.at_eof() or self.writer.is_closing()

    def close(self):
        self.writer.close()


def _header(line):
    name, value = line.split(":", 1)
    return name.lower(), value.strip()
