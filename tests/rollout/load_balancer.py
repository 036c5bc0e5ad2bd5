"""A load balancer that does to its targets what an Application Load Balancer does, where it matters to a rollout.

nginx as a load balancer would be the wrong model: it learns of targets by a reload, checks no health, and sends a request
again when a target fails it. Modelled here, after the user guide of Elastic Load Balancing (target groups, health checks,
deregistration delay):

- A registered target gets requests after one good health check. It gets none after as many bad ones in a row as the
  threshold says, and again after as many good ones. Each check is a connection of its own.
- Connections to a target are kept and used again by whichever client comes next. How many is not documented: here some
  are kept, and every other request goes on a new one. One that the target has closed is dropped when that has been heard
  of; one that breaks under a request is a 502, and nothing is ever sent twice.
- The target with the fewest requests under way is next.
- While every target fails its checks, all of them get requests. While there is no target at all, clients get 503.
- A target that is deregistered gets no new connection. What is under way ends; when the delay is over, its connections
  are closed. By the guide it gets no further request, either. With `uses_draining` its kept connections go on to be used
  until the delay is over: worse than documented for a rolling replacement, and so what that is tested with.
- The address of the client is added to X-Forwarded-For; connections to clients outlive every change of targets.
"""

import asyncio
import random
from enum import Enum

from http1 import LIMIT, Connection, Message

# Terraform's health check timeout, in seconds.
HEALTH_CHECK_TIMEOUT = 3
# Connections to one target that wait for the next request.
MOST_KEPT = 16
PER_HOP = {"connection", "keep-alive"}


class State(Enum):
    INITIAL = "registered and not checked yet"
    HEALTHY = "in service"
    UNHEALTHY = "out of service"
    DRAINING = "deregistered, the delay runs"
    UNUSED = "forgotten"


class Target:
    """A port that serves. Made by `LoadBalancer.register`."""

    def __init__(self, port):
        self.port, self.state = port, State.INITIAL
        self.idle, self.under_way, self.checks = [], 0, None

    async def until(self, *states):
        while self.state not in states:
            await asyncio.sleep(0.02)


class LoadBalancer:
    """Use as an asynchronous context manager. `timeouts` are those of nix/timeouts.nix."""

    def __init__(self, timeouts, uses_draining):
        self.timeouts, self.uses_draining = timeouts, uses_draining
        self.targets, self.clients = [], set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LIMIT)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for target in list(self.targets):
            self.forget(target)
        for client in self.clients:
            client.close()
        while self.clients:
            await asyncio.sleep(0.02)

    def register(self, port):
        target = Target(port)
        target.checks = asyncio.create_task(self._check_health(target))
        self.targets.append(target)
        return target

    async def deregister(self, target):
        """Returns when the delay is over and the target forgotten."""
        target.state = State.DRAINING
        target.checks.cancel()
        await asyncio.sleep(self.timeouts["deregistrationDelay"])
        self.forget(target)

    def forget(self, target):
        """What is under way may end."""
        target.state = State.UNUSED
        target.checks.cancel()
        if target in self.targets:
            self.targets.remove(target)
        while target.idle:
            target.idle.pop().close()

    async def _check_health(self, target):
        in_a_row = {True: 0, False: 0}
        while True:
            is_good = await _is_healthy(target.port)
            in_a_row[is_good] += 1
            in_a_row[not is_good] = 0
            needed = 1 if target.state is State.INITIAL and is_good else self.timeouts["unhealthyThreshold"]
            if in_a_row[is_good] >= needed:
                target.state = State.HEALTHY if is_good else State.UNHEALTHY
            await asyncio.sleep(self.timeouts["healthCheckInterval"])

    async def _serve(self, reader, writer):
        """One connection of a client, to its end."""
        client, address = Connection(reader, writer), writer.get_extra_info("peername")[0]
        self.clients.add(client)
        try:
            while request := await client.receive():
                await client.send(_without_hop(await self._answer(request, address)))
                if request.get("connection") == "close":
                    break
        except (OSError, EOFError):
            pass  # the client has gone
        finally:
            client.close()
            self.clients.remove(client)

    async def _answer(self, request, address):
        target = self._choose()
        if target is None:
            return _own_answer(503, "Service Unavailable")
        request = _without_hop(request)
        request.headers.append(("x-forwarded-for", address))
        target.under_way += 1
        connection = None
        try:
            connection = await self._connection_to(target)
            answer = await connection.ask(request)
        except (OSError, EOFError):
            if connection:
                connection.close()
            return _own_answer(502, "Bad Gateway")
        finally:
            target.under_way -= 1
        if answer.get("connection") == "close" or target.state is State.UNUSED or len(target.idle) == MOST_KEPT:
            connection.close()
        else:
            target.idle.append(connection)
        return answer

    def _choose(self):
        in_service = [target for target in self.targets if target.state is State.HEALTHY]
        if not in_service:
            in_service = [target for target in self.targets if target.state is State.UNHEALTHY]
        if self.uses_draining:
            in_service += [target for target in self.targets if target.state is State.DRAINING and _kept(target)]
        return min(in_service, key=lambda target: (target.under_way, random.random()), default=None)

    async def _connection_to(self, target):
        if _kept(target) and (target.state is State.DRAINING or random.random() < 0.5):
            return target.idle.pop()
        return await Connection.open(target.port)


def _kept(target):
    """The kept connections that are still good as far as is known; the last of them was used last."""
    for connection in [connection for connection in target.idle if connection.is_closed]:
        target.idle.remove(connection)
        connection.close()
    return target.idle


async def _is_healthy(port):
    connection = None
    try:
        async with asyncio.timeout(HEALTH_CHECK_TIMEOUT):
            connection = await Connection.open(port)
            return (await connection.ask(Message("GET /health HTTP/1.1", [("host", "health")]))).status == 200
    except (OSError, EOFError):
        return False
    finally:
        if connection:
            connection.close()


def _without_hop(message):
    headers = [(name, value) for name, value in message.headers if name not in PER_HOP]
    return Message(message.first_line, headers, message.body)


def _own_answer(status, reason):
    return Message(f"HTTP/1.1 {status} {reason}", [("content-length", "0")])
