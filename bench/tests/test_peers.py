"""Each peer is asked what Slipway is asked, on the same kind of storage, and must answer alike."""

import json
import socket
import sys
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import load, servers
from harness.context import Context
from harness.machine import Cores
from harness.processes import Process
from harness.requests import PASSWORD, Request, hello, login, me, refresh, register, send, sign_in, sign_up
from harness.services import Services, run_sql


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="slipway-bench-test-"))
        Path(folder).chmod(0o755)
        services = cls.enterClassContext(Services(Cores.assign()))
        cls.context = Context(Path(folder), Cores.assign(), services, quick=True)

    @contextmanager
    def started(self, name: str) -> Iterator[tuple[Process, str]]:
        """A server, with the URL of its database."""
        starter = servers.STARTERS[name]
        with (
            self.context.database(f"contract_{name}") as database,
            starter(self.context.place(), database) as server,
        ):
            yield server, database

    def test_hello_health_and_ready_are_answered_alike(self):
        for name in ("slipway", "container", "axum", "fastapi"):
            with self.subTest(name), self.started(name) as (server, _):
                for path, expected in {"/hello": "hello world", "/hello?name=Ada": "hello Ada"}.items():
                    status, headers, body = send(server.address, Request("GET", path))
                    self.assertEqual((status, json.loads(body)), (200, {"message": expected}))
                    self.assertTrue(headers["x-request-id"])
                for path, expected in {"/health": "ok", "/ready": "ready"}.items():
                    status, _, body = send(server.address, Request("GET", path))
                    self.assertEqual((status, json.loads(body)["status"]), (200, expected))

    def test_the_fixed_body_is_that_of_hello(self):
        for name in ["nginx"]:
            with self.subTest(name), self.started(name) as (server, _):
                self.assertEqual(send(server.address, hello())[2], '{"message":"hello world"}')

    def test_accounts_and_sessions_work_alike(self):
        for name in ("slipway", "container", "axum", "fastapi"):
            with self.subTest(name), self.started(name) as (server, database):
                self.check_account(server.address, database)
                self.check_log(server)

    def check_account(self, address: str, database: str) -> None:
        signed_up = sign_up(address, "Ada")
        self.assertEqual(send(address, register("ada"))[0], 409, "a name is taken in any case of its letters")
        account = json.loads(send(address, me(signed_up))[2])
        self.assertEqual(account["username"], "Ada")
        wrong = Request("POST", "/login", login("Ada").headers, login("Ada").body.replace(PASSWORD, "wrong-password"))
        self.assertEqual(send(address, wrong)[0], 401)
        self.assertIn("m=19456,t=2,p=1", run_sql(database, "SELECT password_hash FROM users"))

        signed_in = sign_in(address, "Ada")
        status, headers, body = send(address, refresh(signed_in))
        self.assertEqual(status, 200)
        self.assertTrue(json.loads(body)["access_token"])
        self.assertNotEqual(headers["set-cookie"].partition(";")[0], signed_in.cookie, "the token is rotated")
        self.assertEqual(send(address, Request("POST", "/refresh", {"Cookie": signed_in.cookie + "x"}))[0], 401)
        self.assertEqual(run_sql(database, "SELECT max(generation) FROM sessions"), "1")
        self.check_revocation(address, database, signed_in)

    def check_revocation(self, address, database, signed_in) -> None:
        """What Valkey knows as ended is refused, by the key that all of them use."""
        session = run_sql(database, "SELECT id FROM sessions WHERE generation = 1")
        self.assertEqual(send(address, me(signed_in))[0], 200)
        for prefix in ("", "slipway:"):
            valkey_set(self.context.services.redis_url, f"{prefix}revoked:{session}")
        self.assertEqual(send(address, me(signed_in))[0], 401)

    def check_log(self, server: Process) -> None:
        lines = [line for line in server.log.read_text().splitlines() if '"/me"' in line and "{" in line]
        self.assertTrue(lines, server.log.read_text()[-500:])
        for line in lines:
            self.assertIsInstance(json.loads(line), dict)

    def test_both_load_generators_rotate_the_cookie(self):
        for name in ("slipway", "axum", "fastapi"):
            with self.subTest(name), self.started(name) as (server, database):
                sign_up(server.address, "ada")
                sessions = [sign_in(server.address, "ada") for _ in range(6)]
                requests = [refresh(session) for session in sessions]
                core = self.context.cores.load
                found = load.closed(server, requests, 1, core, rotate=True, connections=2)
                self.assertEqual(found.errors, 0)
                generations = int(run_sql(database, "SELECT sum(generation) FROM sessions"))
                self.assertGreaterEqual(generations, round(found.per_second), "each answer was a rotation")

                requests = [refresh(sign_in(server.address, "ada")) for _ in range(4)]
                found = load.at_rate(server, requests, 1, core, rate=20, connections=2, rotate=True)
                self.assertEqual(found.errors, 0)
                # 20 requests, the last of which is answered before the second is over; a busy machine makes it fewer.
                self.assertLess(found.per_second, 30)


def valkey_set(url: str, key: str) -> None:
    host, port = url.removeprefix("redis://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"SET {key} 1 EX 600\r\n".encode())
        assert connection.recv(64) == b"+OK\r\n"


if __name__ == "__main__":
    unittest.main()
