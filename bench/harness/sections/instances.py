"""One instance and two on the same PostgreSQL and Valkey: GET /me at the peak."""

from concurrent.futures import ThreadPoolExecutor

from .. import load, servers
from ..context import USERNAME, Context, Json, say
from ..processes import Process
from ..requests import Request, me, sign_in, sign_up


def run(context: Context) -> Json:
    cores = context.cores
    found: Json = {"own_core": cores.second_server != cores.server, "one": [], "two": []}
    first_place = context.place()
    second_place = servers.Place(context.folder / "second", context.services.redis_url, cores.second_server)
    with (
        context.database("bench_instances") as database,
        servers.slipway(first_place, database) as first,
        servers.slipway(second_place, database) as second,
    ):
        sign_up(first.address, USERNAME)
        for _ in range(context.rounds):
            # What one of them gave out, both accept.
            request = me(sign_in(first.address, USERNAME))
            found["one"].append(per_second(context, [first], request))
            found["two"].append(per_second(context, [first, second], request))
            say(f"  one {found['one'][-1]:.0f}/s, two {found['two'][-1]:.0f}/s")
    return found


def per_second(context: Context, instances: list[Process], request: Request) -> float:
    with ThreadPoolExecutor(len(instances)) as threads:
        samples = threads.map(
            lambda server: load.closed(server, [request], context.seconds, context.cores.load), instances
        )
        return round(sum(sample.per_second for sample in samples), 1)
