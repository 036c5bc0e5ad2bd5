"""What ECS starts and stops: tasks, whose containers are processes of this machine."""

import asyncio
import glob
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# For a start or a stop on a machine that is busy with other things, in seconds.
PATIENCE = 120
JWT_SECRET = secrets.token_urlsafe(48)


def evaluate(expression):
    """The value of a Nix expression, such as `import ./nix/timeouts.nix`."""
    nix = ["nix-instantiate", "--eval", "--strict", "--json", "--store", "dummy://", "-E", expression]
    return json.loads(subprocess.run(nix, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def find_program(name):
    """The path of a program, which ./test has installed if it was missing."""
    folders = [*os.environ["PATH"].split(":"), "/usr/sbin", *glob.glob("/usr/lib/postgresql/*/bin")]
    path = shutil.which(name, path=":".join(folders))
    return path or _refuse(f"{name} is not installed: run ./test rollout, which installs it")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Program:
    """One process with a log of its own, which is killed at the end if it still runs."""

    def __init__(self, name, log, process):
        self.name, self.log, self.process = name, log, process

    @classmethod
    async def start(cls, name, folder, command, environment):
        log = Path(folder) / f"{name}.log"
        with open(log, "wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        return cls(name, log, process)

    async def until(self, *command, environment=None):
        """Waits until a command succeeds, as the health check of a container."""
        for _ in range(PATIENCE * 10):
            check = await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if await check.wait() == 0:
                return
            if self.process.returncode is not None:
                break
            await asyncio.sleep(0.1)
        _refuse(f"{self.name} did not become healthy; its last lines are:\n{self.last_lines()}")

    async def stop(self, number=signal.SIGTERM):
        """Sends the signal and returns the exit status."""
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()

    def last_lines(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


class Task:
    """The container `app`, which is nginx with the server behind it, on storages that are elsewhere: the profile `rds`
    with ElastiCache. `folder` is the task's own."""

    def __init__(self, folder, programs, timeouts, database_url, redis_url):
        self.folder, self.programs, self.timeouts = Path(folder), programs, timeouts
        self.database_url, self.redis_url = database_url, redis_url
        self.port, self.running = free_port(), []
        self.folder.mkdir()

    async def start(self):
        """Returns when the container runs, which is when ECS registers it: the database may not have answered yet."""
        configuration = self.folder / "nginx.conf"
        configuration.write_text(evaluate(f'import ./nix/nginx-conf.nix {{ listen = "127.0.0.1:{self.port}"; }}'))
        await self._run("app", [self.programs["slipway"], "container"], {
            "SLIPWAY_ENV": "production",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "JWT_SECRET": JWT_SECRET,
            "DRAIN_SECONDS": str(self.timeouts["drain"]),
            # Of the load balancer here, so that each client is limited for itself.
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "SLIPWAY_NGINX": self.programs["nginx"],
            "SLIPWAY_NGINX_CONFIG": str(configuration),
            "SLIPWAY_RUNTIME_DIR": str(self.folder / "run"),
            "METRICS_LISTEN": "off",
            "RUST_LOG": "warn,slipway=info,slipway::access=off",
            # Neither the price of a password hash nor the limits of sign-ins are what is measured.
            "ACCEPT_RISKS": "weak-hashes,no-limits",
            "ARGON2_MEMORY_KIB": "64",
            "ARGON2_ITERATIONS": "1",
            "RATE_LIMIT_PER_ADDRESS": "0",
            "RATE_LIMIT_PER_ACCOUNT": "0",
        })

    async def until_healthy(self):
        await self.running[-1].until(self.programs["slipway"], "healthcheck", "--address", f"127.0.0.1:{self.port}")

    async def stop(self):
        """SIGTERM, and returns the exit statuses of its containers by name."""
        return {"app": await self.running[-1].stop()}

    def kill(self):
        for program in reversed(self.running):
            program.kill()

    async def _run(self, name, command, environment):
        program = await Program.start(name, self.folder, command, {"PATH": os.environ["PATH"]} | environment)
        self.running.append(program)
        return program


class TaskWithDatabase(Task):
    """The profile `efs`: PostgreSQL on a data directory that outlives the task, and Valkey, beside the app. What the
    containers run is what runs here: the entry point, its configuration, and the order of starts and stops."""

    def __init__(self, folder, programs, timeouts, data, password):
        self.database_port, self.cache_port, self.data, self.password = free_port(), free_port(), data, password
        super().__init__(folder, programs, timeouts,
                         f"postgres://slipway:{password}@127.0.0.1:{self.database_port}/slipway",
                         f"redis://127.0.0.1:{self.cache_port}")

    async def start(self):
        """The app starts when the others are healthy."""
        socket_folder = self.folder / "postgresql"
        socket_folder.mkdir()
        lend(socket_folder)
        postgres = await self._run(
            "postgres",
            [*as_server_user(), self.programs["postgres-entrypoint"],
             "-p", str(self.database_port), "-k", str(socket_folder)],
            {
                "PGDATA": str(self.data),
                "POSTGRES_PASSWORD": self.password,
                "POSTGRES_CONFIG_DIR": str(Path(self.programs["postgres-entrypoint"]).parent),
                "LOG_FORMAT": "text",
                "PATH": f"{Path(self.programs['postgres']).parent}:{os.environ['PATH']}",
            })
        configuration = str(ROOT / "nix/images/valkey.conf")
        valkey = await self._run(
            "valkey", [self.programs["valkey-server"], configuration, "--port", str(self.cache_port)], {})
        await postgres.until(self.programs["pg_isready"], "-q", "-h", "127.0.0.1", "-p", str(self.database_port))
        await valkey.until(self.programs["valkey-cli"], "-p", str(self.cache_port), "ping")
        await super().start()

    async def stop(self):
        """The app stops before the others. SIGINT is PostgreSQL's fast shutdown, and the stop signal of its image."""
        postgres, valkey, app = self.running
        statuses = {"app": await app.stop()}
        statuses["valkey"] = await valkey.stop()
        statuses["postgres"] = await postgres.stop(signal.SIGINT)
        return statuses


def as_server_user():
    """PostgreSQL refuses to run as root, so root lends it to a user who may do nothing else."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if os.geteuid() == 0 else []


def lend(folder):
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")


def _refuse(message):
    raise SystemExit(f"tests/rollout: {message}")
