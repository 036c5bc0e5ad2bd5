"""What a login costs besides its password hash: processor time of the server for a login, and of the bare library for a
hash with the same parameters on the same core."""

import json
import subprocess

from .. import builds, load, servers
from ..context import USERNAME, Context, Json, say
from ..machine import pinned
from ..requests import login


def run(context: Context) -> Json:
    found: Json = {"login_cpu_us": [], "hash_cpu_us": [], "hash_in_new_memory_cpu_us": []}
    seconds, core = context.long_seconds, context.cores.load
    with context.servers({"slipway": servers.slipway}) as running:
        server = running["slipway"].server
        for _ in range(context.rounds):
            # Unlike wrk, this waits for every answer: no hash is paid for and not counted.
            connections = context.connections
            sample = load.at_rate(server, [login(USERNAME)], seconds, core, rate=0, connections=connections)
            if sample.errors:
                raise RuntimeError(f"{sample.errors} logins failed")
            found["login_cpu_us"].append(round(sample.cpu_us))
            for name, memory in (("hash_cpu_us", "kept"), ("hash_in_new_memory_cpu_us", "new")):
                command = [str(builds.tool("bare-argon2")), memory, str(seconds)]
                output = subprocess.check_output(pinned(context.cores.server, command), text=True)
                found[name].append(round(json.loads(output)["cpu_us"]))
            say(f"  {', '.join(f'{name} {values[-1]}' for name, values in found.items())}")
    return found
