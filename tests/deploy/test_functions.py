"""The functions that only compute."""

import json
import subprocess
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[2] / "nix/apps/lib"
REQUESTED = "arn:aws:ecs:eu-west-2:1:task-definition/slipway-production:8"
BEFORE = REQUESTED[:-1] + "7"


def call(script: str, given: str = "") -> str:
    """A line of bash with every function of lib/ at hand."""
    program = f'set -euo pipefail; . "{LIB}/all.sh"; scratch=$(mktemp -d); trap \'rm -rf "$scratch"\' EXIT; {script}'
    result = subprocess.run(["bash", "-c", program, "test.sh"], input=given, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.rstrip("\n")


@pytest.mark.parametrize("number,text", [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_213_000, "4.2 MB"), (3_000_000_000, "3.0 GB")])
def test_bytes(number, text):
    assert call(f"bytes {number}") == text


@pytest.mark.parametrize("seconds,text", [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (131, "2 min 11 s")])
def test_durations(seconds, text):
    assert call(f"duration {seconds}") == text


@pytest.mark.parametrize("arn,name", [
    ("arn:aws:iam::1:user/ada", "ada"), ("arn:aws:sts::1:assumed-role/deploy/ada", "deploy/ada"), ("arn:aws:iam::1:root", "root"),
])
def test_principals(arn, name):
    assert call(f"principal {arn}") == name


def test_zones_that_environments_name(tmp_path):
    assert call(f"zones_of_environments {tmp_path}") == ""
    for name, zone in [("staging", '"Z1"'), ("production", '"Z2"'), ("preview", '"Z1"'), ("trial", "null")]:
        (tmp_path / f"{name}.tfvars").write_text(f'region = "eu-west-2"\nroute53_zone_id = {zone}\n')
    assert call(f"zones_of_environments {tmp_path}").split() == ["Z1", "Z2"]


@pytest.mark.parametrize("before,after,text", [
    ("", "35.65", "cost: $35.65 a month"), ("35.65", "35.65", "cost: $35.65 a month, unchanged"),
    ("35.65", "82.19", "cost: $82.19 a month, +46.54"), ("82.19", "35.65", "cost: $35.65 a month, -46.54"),
    ("35.65", "", "cost: not known for this region"),
])
def test_the_change_of_the_cost(before, after, text):
    assert call(f"cost_change '{before}' '{after}'") == text


SETTINGS = """# region = "of a comment"
region = "eu-west-2" # Ireland is not
  domain="indented.example.com"
exec    = true
database = "rds"
rds = { storage_gb = 20, import_from_efs = true }
"""


@pytest.mark.parametrize("cost,words", [
    ({"total": "35.65", "lines": {"Load balancer": "19.32"}}, "$35.65 a month"),
    ({"total": "35.65", "lines": {"EFS (1 GB)": "price unconfirmed, not in the total"}},
     "$35.65 a month, without EFS (1 GB), whose price nobody has confirmed"),
    ({"total": None, "lines": {}}, "not known: terraform/prices.tf has no prices of this region"),
])
def test_the_cost_says_what_it_leaves_out(cost, words):
    assert call("monthly_cost", json.dumps(cost)) == words


@pytest.mark.parametrize("name,value", [("region", "eu-west-2"), ("exec", "true"), ("database", "rds"), ("domain", ""), ("cache", "")])
def test_a_setting_is_read_from_its_own_line(name, value):
    assert call(f"setting {name}", SETTINGS) == value


@pytest.mark.parametrize("settings,images", [
    ("", "app valkey postgres"), ('database = "rds"\ncache = "elasticache"\n', "app"), ('database = "rds"\n', "app valkey"),
    (SETTINGS, "app valkey postgres"), ('database = "rds"\n# import_from_efs = true\n', "app valkey"),
])
def test_the_images_that_an_environment_needs(settings, images):
    assert call("needed_images", settings).split() == images.split()


DIGEST = "sha256:0123456789abcdef" + "0" * 48


@pytest.mark.parametrize("revision,tag", [
    ("a" * 40, "a" * 40), ("a" * 40 + "-dirty", "a" * 40 + "-dirty-0123456789ab"), ("unknown", "unknown-0123456789ab"), ("", "8.1.1-0123456789ab"),
])
def test_the_tag_of_an_image_is_its_commit_or_its_content(revision, tag):
    """Two builds that differ never get the same one, for tags are immutable."""
    assert call(f"image_tag '{revision}' 8.1.1 {DIGEST}") == tag


@pytest.mark.parametrize("address,repository", [
    ("git@github.com:acme/slipway.git", "acme/slipway"), ("https://github.com/acme/slip.way", "acme/slip.way"),
    ("ssh://git@github.com/acme/slipway.git", "acme/slipway"), ("https://token@github.com/acme/slipway", "acme/slipway"),
    ("https://gitlab.com/acme/slipway.git", ""), ("https://example.com/github.com/acme/slipway", ""),
])
def test_the_repository_on_github(address, repository):
    assert call("github_repository", address + "\n") == repository


def deployment(definition, status, state, reason="", **more):
    return {"id": "1", "taskDefinition": definition, "status": status, "rolloutState": state, "rolloutStateReason": reason,
            "runningCount": 1, "desiredCount": 1, "failedTasks": 0} | more


def verdict(*deployments, seen=False, status="ACTIVE") -> tuple[str, str]:
    services = [{"status": status, "deployments": list(deployments), "events": []}]
    filter = "verdict($requested; $seen == \"true\")"
    said = json.loads(call(f"ecs_says '{filter}' --arg requested {REQUESTED} --arg seen {str(seen).lower()}", json.dumps({"services": services})))
    return said["state"], said["text"]


def test_done_is_the_primary_deployment_of_what_was_asked_for_and_complete():
    assert verdict(deployment(REQUESTED, "PRIMARY", "COMPLETED")) == ("done", "1 of 1 tasks run")


def test_in_progress_is_waited_for_and_failed_tasks_are_counted():
    new = deployment(REQUESTED, "PRIMARY", "IN_PROGRESS", runningCount=0, failedTasks=2)
    assert verdict(new, deployment(BEFORE, "ACTIVE", "COMPLETED")) == ("waiting", "0 of 1 tasks run, 2 failed")


def test_a_service_that_shows_the_old_deployment_at_first_is_waited_for():
    assert verdict(deployment(BEFORE, "PRIMARY", "COMPLETED")) == ("waiting", "ECS has not begun yet")


def test_a_steady_service_with_another_definition_is_no_success():
    """What `aws ecs wait services-stable` and Terraform take for one."""
    assert verdict(deployment(BEFORE, "PRIMARY", "COMPLETED"), seen=True)[0] == "replaced"


def test_a_deployment_that_ecs_rolls_back_has_failed_with_its_reason():
    again = deployment(BEFORE, "PRIMARY", "IN_PROGRESS", "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.")
    gone = deployment(REQUESTED, "ACTIVE", "FAILED", "ECS deployment circuit breaker: tasks failed to start.")
    assert verdict(again, gone) == ("failed", "ECS gave up on it: ECS deployment circuit breaker: tasks failed to start; it runs slipway-production:7 again")
    assert verdict(again)[0] == "failed"


def test_a_service_that_is_gone_has_failed():
    assert verdict(deployment(REQUESTED, "PRIMARY", "COMPLETED"), status="DRAINING") == ("failed", "the service is draining")


@pytest.mark.parametrize("time,seconds", [
    ('"2026-11-23T13:00:00.123000+01:00"', 1795435200), ('"2026-11-23T12:00:00Z"', 1795435200), ("1795435200.5", 1795435200),
    ('"2026-11-23T07:30:00-04:30"', 1795435200),
])
def test_times_of_both_versions_of_the_aws_cli(time, seconds):
    assert call("ecs_says moment", time) == str(seconds)


def test_events_are_told_the_oldest_first_and_without_the_services_name():
    events = [
        {"id": "c", "createdAt": 20.5, "message": "(service slipway-production) has reached a steady state."},
        {"id": "b", "createdAt": 20.1, "message": "(service slipway-production) (deployment ecs-svc/1) deployment completed."},
        {"id": "a", "createdAt": 20.1, "message": "(service slipway-production) has started 1 tasks: (task 1)."},
    ]
    answer = json.dumps({"services": [{"status": "ACTIVE", "deployments": [], "events": events}]})
    assert call("ecs_says told", answer).splitlines() == [
        "a 00:00:20  has started 1 tasks: (task 1).", "b 00:00:20  (deployment ecs-svc/1) deployment completed.", "c 00:00:20  has reached a steady state.",
    ]


def release(number, app, completed=True, commit="c"):
    return json.dumps({"task_definition": f"x:{number}", "images": {"app": app}, "completed": "now" if completed else "", "commit": commit})


@pytest.mark.parametrize("current,expected", [("d3", "x:2"), ("d2", "x:3")])
def test_the_previous_release_took_over_and_is_another_one_than_now(current, expected):
    """After a failure that is what ran before it; after a rollback it is what was rolled back."""
    releases = "\n".join([release(4, "d4", completed=False), release(3, "d3"), release(2, "d2"), release(1, "d1")])
    assert json.loads(call(f"""previous_release '{{"app":"{current}"}}'""", releases))["task_definition"] == expected


def test_there_is_no_previous_release_at_first():
    assert call("""previous_release '{"app":"d1"}'""", release(1, "d1")) == ""


@pytest.mark.parametrize("word,expected", [("sha256:ab", "x:2"), ("ab", "x:2"), ("fe", "x:1")])
def test_a_release_is_named_by_digest_or_commit(word, expected):
    releases = "\n".join([release(2, "sha256:abcd", commit="ff"), release(1, "sha256:cdef", commit="fedc")])
    assert json.loads(call(f"named_release {word}", releases))["task_definition"] == expected


def planned(action, address, **more):
    kind = address.split(".")[0]
    return json.dumps({"type": "planned_change", "change": more | {"action": action, "resource": {"addr": address, "resource_type": kind}}})


def test_a_plan_that_destroys_data_is_seen():
    events = "\n".join([planned("replace", "aws_db_instance.this[0]"), planned("delete", "aws_efs_file_system.postgres[0]"),
                        planned("update", "aws_s3_bucket.logs"), planned("replace", "aws_s3_bucket.unfinished", reason="tainted"), planned("delete", "aws_ecs_service.app"), "a line that is no JSON"])
    assert call("events lost_data", events).split() == ["aws_db_instance.this[0]", "aws_efs_file_system.postgres[0]"]


def test_losing_data_is_asked_for_although_yes_was_said():
    program = f'printf \'%s\' \'{planned("delete", "aws_db_instance.this[0]")}\' >"$scratch/events"; environment=production; (confirm_plan yes) 2>&1 || echo "ended with $?"'
    said = call(program)
    assert "THIS DESTROYS DATA: aws_db_instance.this[0]" in said and "ended with 2" in said


def test_what_terraform_says_of_a_lock_is_told_apart_from_other_errors():
    def ended(summary):
        event = json.dumps({"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, "detail": "a\n\nb"}})
        return call(f"aws() {{ false; }}; bucket=b environment=e; printf '%s' '{event}' >\"$scratch/events\"; (end_on_terraform_error Failed) 2>&1 || echo \"ended with $?\"")

    assert "somebody else was changing e at this moment" in ended("Error acquiring the state lock")
    assert ended("Error acquiring the state lock").endswith("ended with 4")
    assert ended("No quota") == "test: Failed:\n  No quota: a b\nended with 1"
