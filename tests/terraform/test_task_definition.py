"""The task definition and the images must fit together: what the images declare, what the programs read, how long they
take. Each is asked at its source, so that a change on one side alone fails here."""

import json
import re
import shutil
import subprocess

import pytest

from aws import ROOT, resources

IMAGES = ROOT / "nix/images"


def nix(expression: str):
    """What Nix makes of it; no build and no download."""
    assert shutil.which("nix-instantiate"), "Nix is not installed: apt-get install nix-bin, or https://nixos.org/download"
    command = ["nix-instantiate", "--eval", "--strict", "--json", "-E", expression]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def images() -> dict[str, dict]:
    """Name => the configuration that its image is built with."""
    return nix(f"""
      let
        inherit (import {IMAGES}/base.nix {{ pkgs = {{ }}; }}) user;
        configuration = name: removeAttrs (import {IMAGES}/${{name}}.nix {{
          inherit user;
          image = arguments: arguments.config;
          pkgs = {{ }}; programs = {{ }}; foreign = {{ postgresql_17 = "/nix/store/postgresql"; }}; release = {{ }}; nginxConf = ""; base = null; programTree = null;
        }}) [ "Labels" ];
      in builtins.listToAttrs (map (name: {{ inherit name; value = configuration name; }}) [ "app" "valkey" "postgres" ])
    """)


@pytest.fixture(scope="session")
def timeouts() -> dict[str, int]:
    """nix/timeouts.nix, the whole chain."""
    return nix(f"import {ROOT}/nix/timeouts.nix")


def containers(stack) -> dict[str, dict]:
    definition = resources(stack.state, "aws_ecs_task_definition")["aws_ecs_task_definition.app"]
    return {item["name"]: item for item in json.loads(definition["container_definitions"])}


def is_one_writer(stack) -> bool:
    """Whether the old task has ended before the next one starts."""
    [service] = resources(stack.state, "aws_ecs_service").values()
    return service["deployment_maximum_percent"] == 100


def told(container: dict) -> dict[str, str | None]:
    """Name => value of what is in the environment; None for a secret."""
    return {item["name"]: item.get("value") for item in container.get("environment", []) + container.get("secrets", [])}


def read_by_the_app() -> set[str]:
    files = [ROOT / "src/config/options.rs", ROOT / "src/container/mod.rs"]
    return {name for file in files for name in re.findall(r'\benv = "(\w+)"', file.read_text())}


def read_by_postgres() -> set[str]:
    """The table at the top, which tells them all."""
    text = (ROOT / "postgres-entrypoint/src/settings.rs").read_text()
    rows = [line for line in text.splitlines() if line.startswith("//! | `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}


def test_the_timeouts_are_those_of_the_chain(stack, timeouts):
    """R15, R16: what AWS was really told, against nix/timeouts.nix."""
    [load_balancer] = resources(stack.state, "aws_lb").values()
    [group] = resources(stack.state, "aws_lb_target_group").values()
    [check] = group["health_check"]
    assert load_balancer["idle_timeout"] == timeouts["loadBalancerIdle"]
    delay, drain = ("oneWriterDeregistrationDelay", "oneWriterDrain") if is_one_writer(stack) else ("deregistrationDelay", "drain")
    assert int(group["deregistration_delay"]) == timeouts[delay]
    assert check["interval"] == timeouts["healthCheckInterval"]
    assert check["unhealthy_threshold"] == timeouts["unhealthyThreshold"]
    assert told(containers(stack)["app"])["DRAIN_SECONDS"] == str(timeouts[drain])
    assert {name: item["stopTimeout"] for name, item in containers(stack).items()} == dict.fromkeys(containers(stack), timeouts["stopTimeout"])


def test_the_app_reads_everything_that_it_is_told(stack):
    """A name with a typing error would silently leave the default in force."""
    assert set(told(containers(stack)["app"])) - read_by_the_app() == set()


def test_postgres_reads_everything_that_it_is_told(lean):
    assert set(told(containers(lean)["postgres"])) - read_by_postgres() == set()


def test_the_app_is_told_what_production_needs(stack):
    needed = {"SLIPWAY_ENV", "DATABASE_URL", "JWT_SECRET", "REDIS_URL", "TRUSTED_PROXIES", "ALLOWED_ORIGINS", "DRAIN_SECONDS",
              "DATABASE_MAX_CONNECTIONS", "DATABASE_PATIENCE_SECONDS"}
    assert needed == set(told(containers(stack)["app"]))
    assert needed <= read_by_the_app()


def test_each_container_is_the_user_of_its_image(stack, images):
    """R26: volumes belong to that user."""
    assert {name: item["user"] for name, item in containers(stack).items()} == {
        name: images[name]["User"] for name in containers(stack)
    }


def test_exactly_what_an_image_declares_is_writable(stack, images):
    """R26: the root file system is read-only, and Fargate gives a volume the owner that the image declares for it."""
    definition = resources(stack.state, "aws_ecs_task_definition")["aws_ecs_task_definition.app"]
    for name, container in containers(stack).items():
        mounted = container.get("mountPoints", [])
        assert {item["containerPath"] for item in mounted} == set(images[name].get("Volumes", {})), name
        assert {item["sourceVolume"] for item in mounted} <= {volume["name"] for volume in definition["volume"]}, name
        assert not any(item.get("readOnly") for item in mounted), name


def test_the_load_balancer_asks_the_port_of_the_image(stack, images):
    [port] = images["app"]["ExposedPorts"]
    [mapping] = containers(stack)["app"]["portMappings"]
    [group] = resources(stack.state, "aws_lb_target_group").values()
    assert port == f"{mapping['containerPort']}/tcp" and group["port"] == mapping["containerPort"]


def test_health_is_asked_as_the_images_promise(lean):
    """The table in nix/README.md."""
    [row] = [line for line in (ROOT / "nix/README.md").read_text().splitlines() if line.startswith("| health |")]
    promised = dict(zip(["app", "valkey", "postgres"], re.findall(r"`([^`]+)`", row)))
    asked = {name: item["healthCheck"]["command"] for name, item in containers(lean).items()}
    assert asked == {name: ["CMD", *command.split()] for name, command in promised.items()}


def test_postgres_has_the_time_that_a_first_start_on_efs_takes(lean):
    """ECS takes 300 s at most for startPeriod. The app waits for longer, and ECS looks at no health check meanwhile."""
    postgres, app = containers(lean)["postgres"], told(containers(lean)["app"])
    # moto keeps no grace period.
    [grace] = re.findall(r"health_grace = (\d+)", (ROOT / "terraform/timeouts.tf").read_text())
    assert postgres["healthCheck"]["startPeriod"] == 300 < int(app["DATABASE_PATIENCE_SECONDS"]) < int(grace)


def test_no_container_waits_for_one_that_may_take_longer_than_fargate_waits(stack):
    """On Fargate a container waits for another one for 2 to 120 s (startTimeout, ECS API Reference, ContainerDefinition), and
    PostgreSQL's first start on EFS, or its wait for the task before, may take longer."""
    for name, container in containers(stack).items():
        assert 2 <= container.get("startTimeout", 2) <= 120, name
        assert 2 <= container["stopTimeout"] <= 120, name
        waits_for = {item["containerName"]: item["condition"] for item in container.get("dependsOn", [])}
        assert waits_for.get("postgres", "START") == "START", name


def test_a_parameter_of_rds_that_is_its_default_is_said_as_aws_answers_it(durable):
    """Else every plan has a change: hashicorp/terraform-provider-aws#39252."""
    [group] = resources(durable.state, "aws_db_parameter_group").values()
    assert [(item["name"], item["apply_method"]) for item in group["parameter"]] == [("rds.force_ssl", "pending-reboot")]


def test_the_limits_of_ecs_are_kept(stack):
    """What moto takes and ECS refuses. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html"""
    for name, container in containers(stack).items():
        check = container["healthCheck"]
        assert 5 <= check["interval"] <= 300 and 2 <= check["timeout"] <= 60 and 1 <= check["retries"] <= 10, name
        assert check.get("startPeriod", 0) <= 300 and container["stopTimeout"] <= 120, name
        assert set(container["linuxParameters"]) == {"capabilities"}, "Fargate has no tmpfs and no devices"
    definition = resources(stack.state, "aws_ecs_task_definition")["aws_ecs_task_definition.app"]
    reserved = sum(item["memoryReservation"] for item in containers(stack).values())
    assert reserved <= 512 <= int(definition["memory"]), "must also fit in the smallest task"
