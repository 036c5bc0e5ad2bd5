"""The two ways in which ECS replaces tasks, each under load."""

import secrets
import shutil
import time
from contextlib import asynccontextmanager
from itertools import count, cycle

import database
from ecs import Order, Service
from load import Load
from load_balancer import LoadBalancer
from task import Task, TaskWithDatabase, lend

# Of the issue: enough that one failure in a deploy of some seconds would be seen.
REQUESTS = 50_000
# Sent before and after a replacement, so that what changes is the replacement.
REQUESTS_AROUND = 1_000


@asynccontextmanager
async def under_load(timeouts, new_task, tasks, uses_draining):
    """A service of so many tasks, and its load; both have ended at the end."""
    async with LoadBalancer(timeouts, uses_draining) as load_balancer:
        service = Service(load_balancer, timeouts, new_task)
        try:
            await service.start(tasks)
            async with Load(load_balancer.port) as load:
                await load.until_sent(REQUESTS_AROUND)
                yield service, load
        finally:
            service.kill()


async def rolling(checks, setup):
    """The profile `rds`: two tasks on shared storages, replaced by two new ones."""
    database_url = await database.create(setup)
    numbers = count()

    def new_task():
        folder = setup.folder / f"rolling-{next(numbers)}"
        return Task(folder, setup.programs, setup.timeouts, database_url, setup.redis_url)

    async with under_load(setup.timeouts, new_task, 2, uses_draining=True) as (service, load):
        record, replacements = load.record, 0
        for order in cycle(Order):
            sent, failed = record.sent, len(record.failures)
            await service.replace_all(order)
            replacements += 1
            failures = record.failures[failed:]
            what = f"no request fails while two tasks are {order.value} (of {record.sent - sent})"
            checks.that(what, not failures, failures)
            if replacements >= len(Order) and record.sent >= REQUESTS:
                break
        failed = len(record.failures)
        await load.until_sent(REQUESTS_AROUND)
        checks.that("none fails afterwards", not record.failures[failed:], record.failures[failed:])
        await check_what_was_acknowledged(checks, setup, load, database_url)
    describe(load, f"{replacements} replacements of 2 tasks")
    checks.that(f"at least {REQUESTS} requests were sent", record.sent >= REQUESTS, record.sent)
    fewest = min(record.by_kind.values())
    checks.that("on kept and on new connections alike", fewest > record.sent * 0.4, record.by_kind)
    check_ends(checks, service)


async def stop_start(checks, setup, order):
    """The profile `efs`: the one task ends, with its PostgreSQL, before the new one starts on the same data. While nobody
    is registered the load balancer sends nothing to a task that is deregistered, as documented: the longest outage."""
    data = setup.folder / f"efs-{order.name.lower()}"
    data.mkdir()
    lend(data)
    password, numbers = secrets.token_hex(16), count()
    timeouts = setup.timeouts | {
        "drain": setup.timeouts["oneWriterDrain"],
        "deregistrationDelay": setup.timeouts["oneWriterDeregistrationDelay"],
    }

    def new_task():
        folder = setup.folder / f"{data.name}-{next(numbers)}"
        return TaskWithDatabase(folder, setup.programs, timeouts, data / "data", password)

    async with under_load(timeouts, new_task, 1, uses_draining=False) as (service, load):
        record = load.record
        failed_before = list(record.failures)
        began = time.monotonic()
        await service.stop(list(service.tasks), order)
        stopped = time.monotonic()
        [(task, _)] = await service.start(1)
        in_service = time.monotonic()
        await load.until_sent(REQUESTS_AROUND)
        await check_what_was_acknowledged(checks, setup, load, task.database_url)
    failures = record.failures
    describe(load, f"one task {order.value}, then the next one started")
    outage = max(f.at for f in failures) - min(f.sent for f in failures) if failures else 0
    print(f"  outage: {outage:.1f} s, to which Fargate's own time for a new task comes; the old task took "
          f"{stopped - began:.1f} s to end, the new one {in_service - stopped:.1f} s until it was in service")
    outside = [f for f in failures if not (began <= f.at and f.sent <= in_service)]
    outside += failed_before
    checks.that(f"no request fails but while there is no task ({order.value})", not outside, outside)
    # The load balancer's own answers have no body. A request that the server had begun is none of them.
    others = [f for f in failures if f.what not in {"503 "} | of_the_first_moment(order, f.at - began)]
    checks.that("all of them because the load balancer has nobody to ask", failures and not others, others)
    check_ends(checks, service)
    shutil.rmtree(data)


def of_the_first_moment(order, seconds):
    """With one writer there is no drain. Stopped first, the task closes its port while the load balancer is only being told:
    a connection that is opened in between is reset before anybody has read from it, and that is a 502."""
    return {"502 "} if order is Order.STOPPED_FIRST and seconds < 1 else set()


async def check_what_was_acknowledged(checks, setup, load, database_url):
    """Every account, session and rotation whose request was answered."""
    await load.end()
    record, refreshed = load.record, await load.refresh_all()
    for table, column, acknowledged in [("users", "username", record.accounts), ("sessions", "id", record.sessions)]:
        missing = acknowledged - await database.column(setup, database_url, table, column)
        checks.that(f"each of {len(acknowledged)} acknowledged {table} is in the database", not missing, missing)
    what = f"the last refresh token of each of {len(refreshed)} clients is good"
    checks.that(what, all(refreshed), record.failures[-3:])


def check_ends(checks, service):
    """Each container that was asked to stop ended by itself, with 0."""
    bad = [statuses for statuses in service.statuses if set(statuses.values()) != {0}]
    checks.that(f"each of {len(service.statuses)} stopped tasks ended with 0", service.statuses and not bad, bad)


def describe(load, what):
    record = load.record
    kinds = ", ".join(f"{number} on {kind} connections" for kind, number in record.by_kind.items())
    requests = ", ".join(f"{number} {request}" for request, number in record.by_request.most_common())
    print(f"  {what}: {record.sent} requests, {len(record.failures)} failed ({kinds}; {requests})", flush=True)
