"""Clients that send requests at a steady pace, and remember what they were told."""

import asyncio
import base64
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from http1 import Connection, Message

PASSWORD = "correct horse battery"
# Each has an address of its own, because nginx limits each address: 5 attempts to sign in a second.
CLIENTS_ON_KEPT_CONNECTIONS = 16
CLIENTS_ON_NEW_CONNECTIONS = 16
# Of all clients together, so that two processor cores that others use as well are enough for the whole stage.
REQUESTS_A_SECOND = 450
# Reads for the most part, and each of the writes often enough to be under way whenever something stops.
MIX = ["hello", "me", "hello", "refresh", "me", "hello", "me", "login", "hello", "me",
       "hello", "me", "hello", "refresh", "me", "hello", "register", "me", "login", "me"]
# Less than a client's patience would be, and more than the server's own deadline.
ANSWER_TIMEOUT = 30


@dataclass
class Failure:
    """An answer that nobody should get. Both times are of the monotonic clock."""

    sent: float
    at: float
    kind: str
    request: str
    what: str

    def __str__(self):
        return f"{self.request} on a {self.kind} connection: {self.what}"


@dataclass
class Record:
    """What was sent, and what was acknowledged by an answer."""

    by_kind: Counter = field(default_factory=Counter)
    by_request: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    accounts: set = field(default_factory=set)
    sessions: set = field(default_factory=set)

    @property
    def sent(self):
        return self.by_kind.total()


class Load:
    """Use as an asynchronous context manager: signed up at its start, and all is answered at its end."""

    def __init__(self, port):
        self.record, self.stopping = Record(), asyncio.Event()
        kinds = ["kept"] * CLIENTS_ON_KEPT_CONNECTIONS + ["new"] * CLIENTS_ON_NEW_CONNECTIONS
        pause = len(kinds) / REQUESTS_A_SECOND
        self.clients = [Client(port, number, kind, pause, self.record) for number, kind in enumerate(kinds)]

    async def __aenter__(self):
        await asyncio.gather(*(client.sign_up() for client in self.clients))
        self.tasks = [asyncio.create_task(client.run(self.stopping)) for client in self.clients]
        return self

    async def __aexit__(self, *_):
        await self.end()

    async def end(self):
        """Sends nothing more, and waits until all is answered."""
        self.stopping.set()
        await asyncio.gather(*self.tasks)

    async def until_sent(self, count):
        goal = self.record.sent + count
        while self.record.sent < goal:
            await asyncio.sleep(0.1)

    async def refresh_all(self):
        """Whether the newest refresh token of each client is worth a new one: none of the rotations was lost."""
        return await asyncio.gather(*(client.send("refresh") for client in self.clients))


class Client:
    """One account, with the tokens that it was given last. One request at a time."""

    def __init__(self, port, number, kind, pause, record):
        self.port, self.kind, self.pause, self.record = port, kind, pause, record
        self.source = f"127.1.0.{number + 1}"
        self.name = f"{kind}-{number}"
        self.token = self.cookie = self.connection = None
        self.numbers = itertools.count()
        # Begun in different places, so that all kinds of requests are under way at any moment.
        self.requests = itertools.islice(itertools.cycle(MIX), number, None)

    async def sign_up(self):
        if not await self.send("register"):
            raise AssertionError(f"the load cannot begin: {self.record.failures[-1]}")

    async def run(self, stopping):
        due = time.monotonic()
        while not stopping.is_set():
            await self.send(next(self.requests))
            # One that was answered late does not make the next ones come faster.
            due = max(due + self.pause, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def send(self, request):
        """Sends one request and returns whether it was answered as it should be."""
        message, keep = getattr(self, f"_{request}")()
        sent = time.monotonic()
        self.record.by_kind[self.kind] += 1
        self.record.by_request[request] += 1
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await self._ask(message)
            what = None if answer.status in (200, 201) else f"{answer.status} {answer.body[:200].decode()}"
        except (OSError, EOFError) as error:
            self.connection, what = None, repr(error)
        if what:
            self.record.failures.append(Failure(sent, time.monotonic(), self.kind, request, what))
            return False
        keep(answer)
        return True

    async def _ask(self, message):
        if self.kind == "new":
            message.headers.append(("connection", "close"))
            connection = await Connection.open(self.port, self.source)
            try:
                return await connection.ask(message)
            finally:
                connection.close()
        if self.connection is None or self.connection.is_closed:
            self.connection = await Connection.open(self.port, self.source)
        return await self.connection.ask(message)

    def _hello(self):
        return self._request("GET", "/hello?name=Ada"), lambda answer: None

    def _me(self):
        return self._request("GET", "/me", ("authorization", f"Bearer {self.token}")), lambda answer: None

    def _refresh(self):
        return self._request("POST", "/refresh", ("cookie", self.cookie)), self._keep_tokens

    def _login(self):
        return self._request("POST", "/login", body=self._credentials(self.name)), self._keep_tokens

    def _register(self):
        """The account of this client; then further ones, which are only remembered."""
        number = next(self.numbers)
        name = f"{self.name}-{number}" if number else self.name

        def keep(answer):
            self.record.accounts.add(name)
            if number == 0:
                self._keep_tokens(answer)
            else:
                self.record.sessions.add(_session_of(answer))

        return self._request("POST", "/register", body=self._credentials(name)), keep

    def _keep_tokens(self, answer):
        self.token = json.loads(answer.body)["access_token"]
        self.cookie = answer.get("set-cookie").split(";")[0]
        self.record.sessions.add(_session_of(answer))

    @staticmethod
    def _credentials(name):
        return json.dumps({"username": name, "password": PASSWORD}).encode()

    @staticmethod
    def _request(method, path, *headers, body=b""):
        headers = [("host", "localhost"), ("content-length", str(len(body))), *headers]
        if body:
            headers.append(("content-type", "application/json"))
        return Message(f"{method} {path} HTTP/1.1", headers, body)


def _session_of(answer):
    """The id of the session that an access token is for."""
    claims = json.loads(answer.body)["access_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]
