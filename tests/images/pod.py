"""The three containers of a task."""

import os
import re
import secrets
import time

from client import Client
from podman import RESTRICTIONS

# The smallest Fargate task, which is what the stack uses by default: 0.25 vCPU and 512 MiB for all containers together.
FARGATE_LIMITS = ["--memory=512m", "--cpus=0.25"]

# What Terraform mounts: the data from EFS, the others empty in each task.
VOLUMES = {"app": ["/run/slipway"], "valkey": [], "postgres": ["/var/lib/postgresql", "/run/postgresql"]}

# What the task definition has as health checks.
HEALTH_COMMANDS = {
    "app": ["/bin/slipway", "healthcheck", "--address", "127.0.0.1:8080"],
    "valkey": ["/bin/valkey-cli", "ping"],
    "postgres": ["/bin/pg_isready", "-q", "-h", "/run/postgresql"],
}

# Starts take seconds at a quarter of a processor, and minutes on a machine that is busy and emulates another.
PATIENCE = 240


class Pod:
    """The containers `app`, `valkey` and `postgres` with volumes of their own. Use as a context manager, which makes them
    and starts nothing."""

    def __init__(self, podman, images, limits=(), commands=None, settings=None):
        self.podman, self.images, self.limits, self.commands = podman, images, limits, commands or {}
        self.name = "slipway-" + secrets.token_hex(4)
        self.password, signing_secret = secrets.token_hex(24), secrets.token_urlsafe(48)
        self.secrets = [self.password, signing_secret]
        self.settings = {
            "app": {
                "DATABASE_URL": f"postgres://slipway:{self.password}@127.0.0.1:5432/slipway",
                "JWT_SECRET": signing_secret,
                "REDIS_URL": "redis://127.0.0.1:6379",
                # All requests come from one address here.
                "RATE_LIMIT_PER_ADDRESS": "100000",
            }
            | (settings or {}),
            "valkey": {},
            "postgres": {"POSTGRES_PASSWORD": self.password},
        }

    def __enter__(self):
        self.podman.run("pod", "create", "--name", self.name, "--network=none", "--share=net", *self.limits)
        for part in VOLUMES:
            self.create(part, self.container(part), "--pod", self.name)
        return self

    def __exit__(self, *_):
        self.podman.run("pod", "rm", "--force", "--time=0", self.name, check=False)

    def container(self, part):
        """The name of a part's container."""
        return f"{self.name}-{part}"

    def volume(self, path):
        """The name of the volume that is mounted at `path`."""
        return self.name + path.replace("/", "-")

    def create(self, part, name, *options, volumes=None):
        """Makes a container of a part as ECS would. Secrets go by the environment, not by the command line."""
        volumes = volumes or {path: self.volume(path) for path in VOLUMES[part]}
        self.podman.run(
            *["create", "--name", name, *RESTRICTIONS, *options],
            *[f"--volume={volume}:{path}" for path, volume in volumes.items()],
            *[f"--env={setting}" for setting in self.settings[part]],
            *[self.images[part], *self.commands.get(part, [])],
            environment=self.settings[part],
        )

    def start(self):
        """Starts all containers at once, and returns the seconds until the first 200 from /ready."""
        started = time.monotonic()
        self.podman.run("pod", "start", self.name)
        self.await_ready()
        return time.monotonic() - started

    def start_one(self, part):
        self.podman.run("start", self.container(part))

    def stop_one(self, part):
        """Stops a container as ECS does, and returns its exit code."""
        self.podman.run("stop", "--time=60", self.container(part))
        return self.exit_code(part)

    def kill(self, part):
        """SIGKILL, as when a host dies or memory runs out. Returns the exit code."""
        self.podman.run("kill", "--signal=KILL", self.container(part))
        return self.await_end(part)

    def await_end(self, part):
        """Waits until a container has ended by itself, and returns its exit code."""
        self.podman.run("wait", "--interval=100ms", self.container(part))
        return self.exit_code(part)

    def exit_code(self, part):
        return int(self.podman.inspect(self.container(part), ".State.ExitCode"))

    def is_healthy(self, part):
        """What the health check of the task definition says."""
        command = HEALTH_COMMANDS[part]
        return self.podman.run("exec", self.container(part), *command, check=False).returncode == 0

    def logs(self, part):
        return self.podman.logs(self.container(part))

    def client(self):
        """A client on the load balancer's side of port 8080."""
        return Client(f"/proc/{self.infra_process()}/ns/net")

    def infra_process(self):
        """The process that keeps the network namespace while containers come and go."""
        infra = self.podman.run("pod", "inspect", "--format", "{{.InfraContainerID}}", self.name).stdout.strip()
        return self.podman.inspect(infra, ".State.Pid")

    def processes(self, part):
        """The ids of a container's processes, on the host."""
        first = self.podman.inspect(self.container(part), ".State.Pid")
        namespace = os.readlink(f"/proc/{first}/ns/pid")
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and _namespace_of(pid) == namespace]

    def memory(self, part):
        """What a container's processes take, in bytes: each shared page is divided among those that share it (PSS)."""
        return self._proportional_set_size(part, r"Pss")

    def kept_memory(self, part):
        """That part of it which is no copy of a file, so that the kernel cannot take it back."""
        return self._proportional_set_size(part, r"Pss_(?:Anon|Shmem)")

    def _proportional_set_size(self, part, kind):
        total = 0
        for pid in self.processes(part):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(map(int, re.findall(rf"^{kind}:\s+(\d+) kB", file.read(), re.MULTILINE))) * 1024
        return total

    def processor_seconds(self):
        """What all containers have taken of the processor so far. Unlike a duration, it is about the same on a busy machine."""
        groups = {}
        with open(f"/proc/{self.infra_process()}/cgroup", encoding="ascii") as file:
            for line in file:
                _, controllers, path = line.rstrip().split(":", 2)
                groups |= dict.fromkeys(controllers.split(","), os.path.dirname(path))
        if "cpuacct" in groups:  # version 1 of control groups
            with open(f"/sys/fs/cgroup/cpuacct{groups['cpuacct']}/cpuacct.usage", encoding="ascii") as file:
                return int(file.read()) / 1e9
        with open(f"/sys/fs/cgroup{groups['']}/cpu.stat", encoding="ascii") as file:
            return int(re.search(r"^usage_usec (\d+)", file.read(), re.MULTILINE)[1]) / 1e6

    def sql(self, *statements):
        """Runs statements as the application's role, and returns what psql prints."""
        psql = self.start_sql(*[f"--command={statement}" for statement in statements])
        out, error = psql.communicate()
        if psql.returncode != 0:
            raise AssertionError(error)
        return out.split()

    def start_sql(self, *arguments, **options):
        """A running psql in the container of PostgreSQL."""
        psql = ["/bin/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--host=127.0.0.1", "--username=slipway"]
        return self.podman.start(
            *["exec", "--interactive", "--env=PGPASSWORD", self.container("postgres"), *psql, *arguments],
            environment={"PGPASSWORD": self.password},
            **options,
        )

    def await_status(self, path, status):
        client = self.client()
        self._await(lambda: client.get_status(path) == status, f"{path} answers {status}", needs="app")

    def await_ready(self):
        self.await_status("/ready", 200)

    def await_health(self, part):
        self._await(lambda: self.is_healthy(part), f"{part} is healthy", needs=part)

    def await_log(self, container, text):
        """Waits for a line with `text` and returns it."""
        return self._await(
            lambda: next((line for line in self.podman.logs(container) if text in line), None),
            f"{container} says {text!r}",
        )

    def _await(self, condition, description, needs=None):
        """Waits until `condition()` is true and returns it; gives up early when the container of `needs` has ended."""
        give_up_at, look_at = time.monotonic() + PATIENCE, time.monotonic() + 3
        while not (result := condition()):
            ended = False
            if needs and time.monotonic() > look_at:
                ended, look_at = self._has_ended(needs), time.monotonic() + 3
            if ended or time.monotonic() > give_up_at:
                last = "".join(f"\n{part}: {line}" for part in VOLUMES for line in self.logs(part)[-3:])
                raise AssertionError(f"waited in vain until {description}; the last lines are:{last}")
            time.sleep(0.1)  # asking takes the processor, too, and there is a quarter of one
        return result

    def _has_ended(self, part):
        return self.podman.inspect(self.container(part), ".State.Status") == '"exited"'


def _namespace_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:  # it has ended, or is the kernel's
        return None
