"""An HTTP client for a server in another network namespace, with what a frontend keeps."""

import ctypes
import http.client
import json
import os
import socket
from contextlib import contextmanager

ADDRESS = ("127.0.0.1", 8080)
# Longer than nginx gives the server.
TIMEOUT = 20

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(namespace):
    """Puts the calling thread into a network namespace, such as /proc/1/ns/net. Sockets stay where they were made."""
    own, other = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(namespace, os.O_RDONLY)
    try:
        _enter(other)
        yield
        _enter(own)
    finally:
        os.close(own)
        os.close(other)


def _enter(namespace):
    if _libc.setns(namespace, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot enter the network namespace: {os.strerror(error)}")


class Connection(http.client.HTTPConnection):
    """A connection to ADDRESS in a namespace; opened again by itself when the server asked to close it."""

    def __init__(self, namespace):
        super().__init__(*ADDRESS, timeout=TIMEOUT)
        self.namespace = namespace

    def connect(self):
        with inside(self.namespace):
            self.sock = socket.socket()
        self.sock.settimeout(self.timeout)
        self.sock.connect(ADDRESS)


class Answer:
    """What came back."""

    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.text[:300]}"


class Client:
    """Keeps the access token and the refresh cookie that it was given. Not for use by several threads."""

    def __init__(self, namespace):
        self.connection, self.namespace = Connection(namespace), namespace
        self.access_token = self.cookie = None

    def copy(self):
        """The same client with a connection of its own."""
        other = Client(self.namespace)
        other.access_token, other.cookie = self.access_token, self.cookie
        return other

    def send(self, method, path, body=None, headers=None):
        """Sends a request and returns the answer; OSError or HTTPException when there is none."""
        headers = dict(headers or {})
        if self.access_token:
            headers["Authorization"] = f"Bearer {self.access_token}"
        if self.cookie:
            headers["Cookie"] = self.cookie
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        try:
            self.connection.request(method, path, body, headers)
            return Answer(self.connection.getresponse())
        except BaseException:
            self.connection.close()
            raise

    def get(self, path, headers=None):
        return self.send("GET", path, headers=headers)

    def post(self, path, body=None):
        """Keeps the tokens of a successful answer, as a browser does."""
        answer = self.send("POST", path, body)
        if answer.status < 300 and "access_token" in answer.text:
            self.access_token = answer.json["access_token"]
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        return answer

    def register(self, username, password="correct horse battery"):
        return self.post("/register", {"username": username, "password": password})

    def login(self, username, password="correct horse battery"):
        return self.post("/login", {"username": username, "password": password})

    def get_status(self, path):
        """The status, or None when there is no answer."""
        try:
            return self.get(path).status
        except (OSError, http.client.HTTPException):
            return None
