"""What is asked of the servers, and the accounts to ask it with."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def raw(self, address: str) -> bytes:
        headers = {"Host": address} | self.headers
        if self.body or self.method == "POST":
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True)
class SignedIn:
    """What a sign-in gave."""

    access_token: str
    cookie: str


def hello() -> Request:
    return Request("GET", "/hello")


def me(signed_in: SignedIn) -> Request:
    return Request("GET", "/me", {"Authorization": f"Bearer {signed_in.access_token}"})


def refresh(signed_in: SignedIn) -> Request:
    return Request("POST", "/refresh", {"Cookie": signed_in.cookie})


def login(username: str) -> Request:
    return credentials("/login", username)


def register(username: str) -> Request:
    return credentials("/register", username)


def credentials(path: str, username: str) -> Request:
    body = json.dumps({"username": username, "password": PASSWORD})
    return Request("POST", path, {"Content-Type": "application/json"}, body)


def send(address: str, request: Request) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(request.method, request.path, request.body or None, request.headers)
        response = connection.getresponse()
        # Of several cookies the first one is that of the session.
        headers = {name.lower(): value for name, value in reversed(response.getheaders())}
        return response.status, headers, response.read().decode()
    finally:
        connection.close()


def sign_up(address: str, username: str) -> SignedIn:
    return tokens(address, register(username), 201)


def sign_in(address: str, username: str) -> SignedIn:
    return tokens(address, login(username), 200)


def sign_in_often(address: str, usernames: list[str]) -> list[SignedIn]:
    """As many sessions, two sign-ins at a time."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda username: sign_in(address, username), usernames))


def tokens(address: str, request: Request, expected: int) -> SignedIn:
    status, headers, body = send(address, request)
    if status != expected:
        raise RuntimeError(f"{request.method} {request.path} was answered with {status}: {body}")
    return SignedIn(json.loads(body)["access_token"], headers["set-cookie"].partition(";")[0])
