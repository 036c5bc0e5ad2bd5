"""What is in the database, by psql."""

import asyncio
import os
import secrets
import subprocess


async def create(setup):
    """Makes a database of its own on the shared PostgreSQL, and returns its URL."""
    name = f"rollout_{secrets.token_hex(4)}"
    await _psql(setup, setup.postgres_url, f"CREATE DATABASE {name}")
    return setup.postgres_url.rsplit("/", 1)[0] + f"/{name}"


async def column(setup, database_url, table, name):
    """All values of one column."""
    return set((await _psql(setup, database_url, f"SELECT {name} FROM {table}")).split())


async def _psql(setup, database_url, statement):
    """The URL holds a password, so it goes by the environment."""
    psql = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", 'exec "$0" "$DATABASE_URL" --no-psqlrc --tuples-only --no-align --quiet --command="$1"',
        setup.programs["psql"], statement,
        env=os.environ | {"DATABASE_URL": database_url}, stdout=subprocess.PIPE)
    out, _ = await psql.communicate()
    if psql.returncode != 0:
        raise AssertionError(f"psql failed: {statement}")
    return out.decode()
