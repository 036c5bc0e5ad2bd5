"""What people do, in the order in which they do it, with everything that the tests want to know noted down."""

from threading import Event
from types import SimpleNamespace

from moto import settings

from aws import REGION
from world import Person, World

DOMAIN = "api.example.com"
FIRST = ("--profile", "lean", "--region", REGION)
LOCK = {"Bucket": "slipway-state-123456789012", "Key": "production/terraform.tfstate.tflock"}
HOLDER = b'{"ID":"42","Operation":"OperationTypeApply","Who":"bob@laptop","Version":"1.11.4","Created":"2026-01-01T00:00:00.123Z","Path":"x"}'


def account(world: World) -> SimpleNamespace:
    """Somebody comes to an empty account."""
    seen = SimpleNamespace()
    person = Person(world, "visitor")
    seen.person = person
    seen.before_bootstrap = person.deploy(*FIRST)
    seen.settings_before_bootstrap = person.settings.exists()
    seen.bootstrap = person.run("bootstrap", "--region", REGION, "--yes")
    seen.checkout_after_bootstrap = person.git("status", "--porcelain")
    seen.bootstrap_again = person.run("bootstrap", "--region", REGION, "--yes")
    seen.bootstrap_with_a_zone = person.run("bootstrap", "--region", REGION, "--zone", "Z0123456789ABC", "--yes")
    seen.bootstrap_without_github = person.run("bootstrap", "--region", REGION, "--no-github", "--yes")
    seen.bootstrap_elsewhere = person.run("bootstrap", "--region", "us-east-1", "--yes")
    # An environment on paper, for what is refused before anything happens.
    person.settings.parent.mkdir(exist_ok=True)
    person.settings.write_text(f'# The environment visitor, made from lean.tfvars.\nregion = "{REGION}"\ndatabase = "efs"\ncache = "task"\n')
    person.commit("The environment visitor")
    person.build_images()
    return seen


def production(world: World, pushed: Event, staging_is_steady: Event) -> SimpleNamespace:
    """The whole life of an environment."""
    seen = SimpleNamespace(world=world)
    person = seen.person = Person(world, "production")
    first = (*FIRST, "--domain", DOMAIN)

    # The registry goes away in the middle of the first push, and comes back too late; then it comes back in time.
    world.registry.break_off(after_bytes=500_000)
    seen.broken_push = person.deploy(*first)
    seen.stack_after_broken_push = list(world.service("production").deployments)
    seen.uploads_before = list(world.registry.uploads)
    world.registry.break_off(after_bytes=300_000, for_seconds=1)
    settings.ACM_VALIDATION_WAIT = 3600  # nobody has made the record yet
    seen.waits_for_dns = person.deploy(*first)
    seen.stack_without_certificate = list(world.service("production").deployments)
    pushed.set()
    settings.ACM_VALIDATION_WAIT = 0
    seen.first = person.deploy(*first)
    seen.uploads = list(world.registry.uploads)
    seen.first_app, seen.first_images = person.app, [("app", person.app), ("valkey", person.valkey), ("postgres", person.postgres)]
    seen.running_after_first = world.running_digests("production")
    seen.requested_after_first = world.requested_images("production")
    seen.plain_files = [path for path in (world.folder / "home").rglob("*") if path.is_file() and b"auth-token" in path.read_bytes()]
    seen.uncommitted = person.deploy()

    # Another version; somebody presses Ctrl-C while it rolls out.
    person.commit("The environment production")
    person.build_images()
    seen.second_app = person.app
    before = len(world.registry.uploads)
    seen.interrupted = person.interrupt("has started", "deploy", *person.deploying)
    seen.continued = person.deploy()
    seen.uploads_by_second = world.registry.uploads[before:]  # and by staging, meanwhile
    seen.running_after_second = world.running_digests("production")
    seen.nothing_to_do, seen.cpu_seconds_of_nothing_to_do = person.measure("deploy", *person.deploying)
    seen.status = person.run("status")

    # Two that must not happen, one that ECS takes back, and the way back.
    person.change_the_code()
    seen.third_app = person.app
    world.aws.client("s3").put_object(**LOCK, Body=HOLDER)
    seen.locked = person.deploy()
    seen.plan_while_locked = person.run("plan")
    world.aws.client("s3").delete_object(**LOCK)
    world.service("production").next_rollouts = ["rolled_back"]
    seen.rolled_back = person.deploy()
    seen.status_of_rolled_back = person.run("status")
    seen.releases_of_rolled_back = person.run("releases")
    seen.logs = person.run("logs", "app")
    seen.rollback_to_failed = person.run("rollback", person.app.digest, *person.deploying)
    seen.rollback_to_unknown = person.run("rollback", "0000000", *person.deploying)
    seen.rollback = person.run("rollback", *person.deploying)
    seen.status_after_rollback = person.run("status")
    seen.requested_after_rollback = world.requested_images("production")
    seen.rollback_by_digest = person.run("rollback", seen.first_app.digest[:20], *person.deploying)
    seen.running_after_rollback_by_digest = world.running_digests("production")
    seen.releases = person.run("releases")

    # What ran in staging is promoted; it does not answer at first.
    staging_is_steady.wait()
    del person.site.answers["/ready"]
    seen.promotion_that_does_not_answer = person.run("promote", *person.deploying)
    person.site.answers["/ready"] = {"status": "ready"}
    before = len(world.registry.uploads)
    seen.promotion = person.run("promote", *person.deploying)
    seen.uploads_by_promotion = world.registry.uploads[before:]
    seen.running_after_promotion = world.running_digests("production")

    seen.shell = person.run("shell")
    seen.sleep = person.run("sleep", "--yes")
    seen.tasks_asleep = len(world.service("production").running())
    seen.wake = person.run("wake", "--url", person.site.url)
    seen.tasks_awake = len(world.service("production").running())

    seen.destroy_unconfirmed = person.run("destroy", "--env", "production")
    seen.destroy_another = person.run("destroy", "--env", "production", "--confirm", "staging")
    seen.destroy = person.run("destroy", "--env", "production", "--confirm", "production")
    seen.releases_after_destroy = person.run("releases")
    return seen


def staging(world: World, pushed: Event, staging_is_steady: Event) -> SimpleNamespace:
    """Every way in which a rollout does not get there."""
    seen = SimpleNamespace(world=world)
    person = seen.person = Person(world, "staging")
    pushed.wait()
    try:
        seen.interrupted_apply = person.interrupt("made aws_sns_topic", "deploy", *person.deploying, *FIRST)
        seen.locks_after_interrupted_apply = locks(world)
        seen.first = person.deploy(*FIRST)
        seen.first_app = person.app
        person.commit("The environment staging")
        for kind, options in [("another_digest", ()), ("taken_over", ()), ("never_healthy", ("--timeout", "1"))]:
            person.change_the_code()
            world.service("staging").next_rollouts = [kind]
            setattr(seen, kind, person.deploy(*options))
        seen.rollback = person.run("rollback", *person.deploying)
    finally:
        staging_is_steady.set()
    return seen


def durable(world: World, pushed: Event, _) -> SimpleNamespace:
    """An environment whose database outlives its tasks."""
    seen = SimpleNamespace(world=world)
    person = seen.person = Person(world, "durable")
    pushed.wait()  # the registry goes away before
    service = world.service("durable")
    seen.first = person.deploy("--profile", "durable", "--region", REGION)
    seen.runs_of_first = list(service.runs)
    person.commit("The environment durable")
    person.build_images()
    seen.second = person.deploy()
    seen.second_app, seen.runs_of_second = person.app, list(service.runs)
    seen.release_before = service.deployments[0]["taskDefinition"]
    person.change_the_code()
    service.next_exit_codes = [1]
    seen.failed = person.deploy()
    seen.release_after_failed = service.deployments[0]["taskDefinition"]
    seen.continued = person.deploy()
    seen.runs_before_rollback = len(service.runs)
    seen.rollback = person.run("rollback", *person.deploying)
    seen.runs_of_rollback = service.runs[seen.runs_before_rollback :]
    return seen


def locks(world: World) -> list[str]:
    listed = world.aws.client("s3").list_objects_v2(Bucket=LOCK["Bucket"])["Contents"]
    return [item["Key"] for item in listed if item["Key"].startswith("staging/") and item["Key"].endswith(".tflock")]
