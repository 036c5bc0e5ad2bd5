"""What is in the database, by psql."""

import asyncio
import os
import secrets
import subprocess
from urllib.parse import urlsplit


async def create(setup):
    """Makes a database of its own on the shared PostgreSQL, and returns its URL."""
    name = f"rollout_{secrets.token_hex(4)}"
    await _psql(setup, setup.postgres_url, f"CREATE DATABASE {name}")
    return setup.postgres_url.rsplit("/", 1)[0] + f"/{name}"


async def column(setup, database_url, table, name):
    """All values of one column."""
    return set((await _psql(setup, database_url, f"SELECT {name} FROM {table}")).split())


async def _psql(setup, database_url, statement):
    url = urlsplit(database_url)
    # By the environment, for a password would be seen on a command line.
    connection = {"PGHOST": url.hostname, "PGPORT": str(url.port), "PGUSER": url.username, "PGDATABASE": url.path[1:],
                  "PGPASSWORD": url.password or ""}
    psql = await asyncio.create_subprocess_exec(
        setup.programs["psql"], "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", f"--command={statement}",
        env=os.environ | connection, stdout=subprocess.PIPE)
    out, _ = await psql.communicate()
    if psql.returncode != 0:
        raise AssertionError(f"psql failed: {statement}")
    return out.decode()
