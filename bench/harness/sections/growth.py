"""Latency of login, me and refresh with few and with many users and sessions, a tenth of which have expired and are being
deleted: whether anything grows with the tables."""

import random
import time
from contextlib import ExitStack

from .. import load, servers
from ..context import Context, Json, Running, say
from ..load import Sample
from ..requests import Request, login, me, refresh, sign_in_often, sign_up
from ..services import run_sql

SIZES = [1_000, 100_000, 5_000_000]
QUICK_SIZES = [1_000, 20_000]
# Signed-in users whose tokens are used in turn, and names that sign in.
SESSIONS, NAMES = 200, 5_000
CLEANUP_PATIENCE_SECONDS = 300

# UUIDs of version 7, as the server makes them: the time first, so that new rows are neighbours in the index.
UUID7 = """(lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n || '{salt}'), 1, 3)
    || '8' || substr(md5(n || '{salt}'), 4, 15))::uuid"""
FILL = [
    # The foreign key holds by construction, and checking it takes a third of the time.
    "SET session_replication_role = replica",
    f"""INSERT INTO users (id, username, username_key, password_hash, created_at)
    SELECT {UUID7.format(salt="user")}, 'user-' || n, 'user-' || n, (SELECT password_hash FROM users LIMIT 1), now()
    FROM generate_series(1, {{size}}) n""",
    f"""INSERT INTO sessions (id, user_id, generation, rotated_at, grace_generation, grace_until, created_at, expires_at,
        absolute_expires_at, user_agent, ip)
    SELECT {UUID7.format(salt="session")}, {UUID7.format(salt="user")}, 0, now(), 0, to_timestamp(0), now(),
        now() + CASE WHEN n % 10 = 0 THEN -interval '1 day' ELSE interval '14 days' END, now() + interval '90 days',
        'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.1'
    FROM generate_series(1, {{size}}) n""",
    "SET session_replication_role = DEFAULT",
    "VACUUM (ANALYZE) users",
    "VACUUM (ANALYZE) sessions",
    "CHECKPOINT",
]
ENDED = "SELECT count(*) FROM sessions WHERE expires_at < now() - interval '20 minutes'"


def run(context: Context) -> Json:
    sizes = QUICK_SIZES if context.quick else SIZES
    with ExitStack() as stack:
        databases = {size: stack.enter_context(context.database(f"bench_growth_{size}")) for size in sizes}
        for size, database in databases.items():
            fill(context, database, size)
        running: dict[int, Running] = {}
        for size, database in databases.items():
            place = servers.Place(context.folder / str(size), context.services.redis_url, context.cores.server)
            running[size] = Running(stack.enter_context(servers.slipway(place, database)), None)
        largest = sizes[-1]
        found: Json = {"sizes": sizes, "while_cleaning": {}, "afterwards": {}}
        cleaning = Rounds(context, {largest: running[largest]}, sizes)
        ended_before = int(run_sql(databases[largest], ENDED))
        found["while_cleaning"] = cleaning.measure(1)
        found["ended_when_measured"] = [ended_before, int(run_sql(databases[largest], ENDED))]
        found["cleanup_seconds"] = round(await_cleanup(databases[largest]), 1)
        found["afterwards"] = Rounds(context, running, sizes).measure(context.rounds)
    return found


def fill(context: Context, database: str, size: int) -> None:
    started = time.monotonic()
    place = servers.Place(context.folder / "fill", context.services.redis_url, context.cores.server)
    with servers.slipway(place, database) as server:
        sign_up(server.address, "the-first")
    run_sql(database, *(statement.replace("{size}", str(size)) for statement in FILL))
    say(f"  {size} users and sessions inserted in {time.monotonic() - started:.0f} s")


def await_cleanup(database: str) -> float:
    started = time.monotonic()
    while int(run_sql(database, ENDED)) > 0:
        if time.monotonic() - started > CLEANUP_PATIENCE_SECONDS:
            raise RuntimeError(f"expired sessions were not deleted within {CLEANUP_PATIENCE_SECONDS} s")
        time.sleep(0.5)
    return time.monotonic() - started


class Rounds:
    """One request at a time, on one size after the other and again."""

    def __init__(self, context: Context, running: dict[int, Running], sizes: list[int]) -> None:
        self.context = context
        self.running = running
        count = 20 if context.quick else SESSIONS
        # The same choice in each run, spread over the table.
        chance = random.Random(1)
        self.names = {size: [f"user-{chance.randint(1, size)}" for _ in range(NAMES)] for size in sizes}
        self.sessions = {
            size: sign_in_often(one.server.address, self.names[size][:count]) for size, one in running.items()
        }

    def measure(self, rounds: int) -> Json:
        found: Json = {}
        for number in range(rounds):
            for route in ("login", "me", "refresh"):
                for size in self.running:
                    sample = self.measure_route(route, size)
                    found.setdefault(route, {}).setdefault(str(size), []).append(sample.to_json())
                    say(f"  round {number + 1}, {route}, {size} users: p50 {sample.p50:.0f} us, p99 {sample.p99:.0f} us")
        return found

    def measure_route(self, route: str, size: int) -> Sample:
        requests: list[Request]
        if route == "login":
            requests = [login(name) for name in self.names[size]]
        elif route == "me":
            requests = [me(session) for session in self.sessions[size]]
        else:
            # Signed in anew, for what was refreshed in the round before has other cookies now.
            names = self.names[size][: len(self.sessions[size])]
            requests = [refresh(session) for session in sign_in_often(self.running[size].server.address, names)]
        seconds, core = self.context.seconds, self.context.cores.load
        server = self.running[size].server
        sample = load.at_rate(server, requests, seconds, core, rate=0, connections=1, rotate=route == "refresh")
        if sample.errors:
            raise RuntimeError(f"{sample.errors} of the requests of {route} failed with {size} users")
        return sample
