"""What `slipway import` promises (docs/MOVING-OVER.md)."""

import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text

from replaced_service import (ACCOUNTS, CASE_TWINS, HASH, INACTIVE_EVERY, NOBODY, ODD_NAMES, PASSWORD, REGISTERED,
                              engine_of, fill)

SLIPWAY = Path("target/debug/slipway").resolve()
PATIENCE = 60


class Databases:
    """The database of the other service and one for this one, on the same kind of server."""

    def __init__(self, kind: str, folder: Path):
        self.folder = folder
        if kind == "sqlite":
            self.theirs = f"sqlite:{folder}/theirs.db"
            self.ours = f"sqlite:{folder}/ours.db"
        else:
            self.theirs, self.ours = (fresh_postgres() for _ in range(2))
        fill(self.theirs)

    def slipway(self, *arguments: str, database: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            [SLIPWAY, *arguments], env=settings(database or self.ours), cwd=self.folder, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )

    def change(self, statement: str, **values) -> None:
        engine = engine_of(self.theirs)
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def fingerprint(self) -> str:
        """Of everything that the other service has."""
        engine = engine_of(self.theirs)
        with engine.connect() as connection:
            rows = [connection.execute(text(f"SELECT * FROM {table} ORDER BY id")).all() for table in ("users", "sessions")]
        engine.dispose()
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def fresh_postgres() -> str:
    server = os.environ["TEST_POSTGRES_URL"]
    name = f"import_{uuid.uuid4().hex}"
    engine = engine_of(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.rsplit("/", 1)[0] + "/" + name


def settings(database: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database,
        "JWT_SECRET": "of-a-test-and-of-nothing-but-a-test",
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "off",
        "ARGON2_MEMORY_KIB": "64",
        "ARGON2_ITERATIONS": "1",
    }


class Server:
    """This service, on the database that was filled."""

    def __init__(self, databases: Databases):
        self.log = databases.folder / "server.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [SLIPWAY], env=settings(databases.ours), cwd=databases.folder, stdout=log, stderr=log,
            )
        self.url = self.await_url()

    def await_url(self) -> str:
        for _ in range(PATIENCE * 20):
            if found := re.search(r"Demo page +(\S+?)/?$", self.log.read_text(encoding="utf-8"), re.MULTILINE):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def sign_in(self, username: str, password: str = PASSWORD) -> tuple[int, dict]:
        body = json.dumps({"username": username, "password": password}).encode()
        request = urllib.request.Request(self.url + "/login", body, {"Content-Type": "application/json"})
        return self.answer(request)

    def me(self, token: str) -> dict:
        request = urllib.request.Request(self.url + "/me", headers={"Authorization": f"Bearer {token}"})
        return self.answer(request)[1]

    @staticmethod
    def answer(request: urllib.request.Request) -> tuple[int, dict]:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def databases(request, tmp_path_factory) -> Databases:
    return Databases(request.param, tmp_path_factory.mktemp(request.param))


def test_the_server_and_migrate_refuse_a_database_of_the_other_service_and_say_how_to_go_on(databases):
    before = databases.fingerprint()
    for command in (["migrate"], []):
        refused = databases.slipway(*command, database=databases.theirs)
        assert refused.returncode == 1
        assert "a table users of another service" in refused.stderr
        assert "give slipway a database of its own" in refused.stderr
        assert "slipway import --from" in refused.stderr and "docs/MOVING-OVER.md" in refused.stderr
    assert databases.fingerprint() == before


def test_a_source_that_is_none_is_named_and_nothing_is_done(databases):
    for source in (databases.theirs.replace("theirs", "nothing").replace("import_", "nothing_"), databases.ours):
        refused = databases.slipway("import", "--from", source)
        assert refused.returncode == 1, refused
        assert "--from cannot be read" in refused.stderr
    assert not (databases.folder / "nothing.db").exists()
    wrong = databases.slipway("import", "--from", "mysql://x:hunter2@h/d")
    assert "--from is not understood" in wrong.stderr and "hunter2" not in wrong.stderr


def test_every_account_is_copied_and_nothing_is_changed_there(databases):
    before = databases.fingerprint()
    imported = databases.slipway("import", "--from", databases.theirs)
    assert imported.returncode == 0, imported.stderr
    found = ACCOUNTS + len(ODD_NAMES) + len(CASE_TWINS) + len(NOBODY)
    copied = found - len(NOBODY) - (len(CASE_TWINS) - 1)
    assert imported.stdout.splitlines()[0] == f"{found} accounts found: {copied} imported, 0 brought up to date"
    assert f"{len(NOBODY)} were left out: their name is empty" in imported.stdout
    assert "2 were left out, because another account has their name" in imported.stdout
    assert '  "twin"\n  "TWIN"\n' in imported.stdout
    assert databases.fingerprint() == before
    listed = databases.slipway("user", "list", "--json").stdout.splitlines()
    states = [json.loads(line)["state"] for line in listed]
    assert (len(states), states.count("disabled")) == (copied, ACCOUNTS // INACTIVE_EVERY)


def test_its_users_sign_in_with_their_passwords_and_are_asked_for_nothing(databases):
    with Server(databases) as server:
        for name in ["User00001", "user00002", *ODD_NAMES, "ZOË", "twin"]:
            status, answer = server.sign_in(name)
            assert (status, answer.get("password_change_required")) == (200, False), (name, answer)
        _, answer = server.sign_in("User00001")
        assert server.me(answer["access_token"])["username"] == "User00001"
        assert server.me(answer["access_token"])["created_at"].startswith(REGISTERED.strftime("%Y-%m-%dT%H:%M:%S.25"))
        assert server.sign_in("User00000")[1]["code"] == "account_disabled"
        assert server.sign_in("User00000", "wrong")[0] == 401
        assert server.sign_in("User00001", "wrong")[0] == 401
        assert server.sign_in(NOBODY[1])[0] == 401


def test_a_second_import_brings_what_changed_there_and_leaves_alone_who_is_at_home_here(databases):
    again = databases.slipway("import", "--from", databases.theirs)
    assert again.stdout.splitlines()[0].endswith(": 0 imported, 0 brought up to date"), again.stdout
    other = HASH.replace("$2b$", "$2a$")
    databases.change("UPDATE users SET password_hash = :hash WHERE username IN ('User00001', 'User00003')", hash=other)
    databases.change("UPDATE users SET is_active = NOT is_active WHERE username IN ('User00000', 'User00005')")
    databases.change(
        "INSERT INTO users (username, password_hash, is_active, created_at, updated_at) "
        "VALUES ('late', :hash, :active, :now, :now)", hash=HASH, active=True, now=REGISTERED,
    )
    later = databases.slipway("import", "--from", databases.theirs)
    assert later.stdout.splitlines()[0].endswith(": 1 imported, 3 brought up to date"), later.stdout
    with Server(databases) as server:
        statuses = [server.sign_in(name)[0] for name in ["late", "User00000", "User00001", "User00003", "User00005"]]
        assert statuses == [200, 200, 200, 200, 403]


def test_an_account_whose_password_cannot_be_verified_is_reported_and_gets_another_one(databases):
    databases.change(
        "INSERT INTO users (username, password_hash, is_active, created_at, updated_at) "
        "VALUES ('scrypt', '$7$C6..../....x', :active, :now, :now)", active=True, now=REGISTERED,
    )
    imported = databases.slipway("import", "--from", databases.theirs)
    assert "1 have a password hash of a kind that Slipway does not know" in imported.stdout
    given = json.loads(databases.slipway("user", "set-password", "scrypt", "--json").stdout)
    with Server(databases) as server:
        assert server.sign_in("scrypt")[0] == 401
        status, answer = server.sign_in("scrypt", given["password"])
        assert (status, answer["password_change_required"]) == (200, True)
