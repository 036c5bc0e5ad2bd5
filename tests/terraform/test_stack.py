"""The life of each profile: made, unchanged, deployed, destroyed."""

import json
import re

from aws import ROOT, resources
from lives import DOMAIN, digest


def containers(state: dict) -> dict[str, dict]:
    definition = resources(state, "aws_ecs_task_definition")["aws_ecs_task_definition.app"]
    return {item["name"]: item for item in json.loads(definition["container_definitions"])}


def test_a_plan_prints_the_monthly_cost_with_its_lines(stack):
    cost = stack.outputs["monthly_cost"]
    assert len(cost["lines"]) >= 5
    for line, dollars in cost["lines"].items():
        assert line in stack.first_plan["text"] and dollars in stack.first_plan["text"]
    assert f'"{cost["total"]}"' in stack.first_plan["text"]


def test_the_total_is_the_sum_of_the_lines(stack):
    lines = [float(dollars) for dollars in stack.outputs["monthly_cost"]["lines"].values() if dollars[0].isdigit()]
    assert abs(sum(lines) - float(stack.outputs["monthly_cost"]["total"])) <= 0.005 * len(lines)


def test_a_second_plan_changes_nothing(stack):
    assert stack.changes_of_a_second_plan == ""


def test_a_new_digest_changes_the_task_definition_and_the_service_alone(stack):
    assert stack.plan_of_a_new_digest["changes"] == {
        "aws_ecs_task_definition.app": "delete/create", "aws_ecs_service.app": "update",
    }


def test_a_new_digest_is_what_the_outputs_say_was_deployed(stack):
    before, after = stack.outputs["deployment"], stack.outputs_of_a_new_digest["deployment"]
    assert before["images"]["app"].endswith("@" + digest("a")) and after["images"]["app"].endswith("@" + digest("d"))
    assert before["task_definition"].endswith(":1") and after["task_definition"].endswith(":2")


def test_a_plan_after_a_deploy_changes_nothing(stack):
    assert stack.changes_after_a_new_digest == ""


def test_destroy_leaves_nothing(stack):
    assert stack.left_over == []


def test_the_outputs_tell_deploy_tooling_where_everything_is(stack):
    name = f"slipway-{stack.profile}"
    assert stack.outputs["url"] == f"https://{DOMAIN}"
    assert (stack.outputs["cluster"], stack.outputs["service"]) == (name, name)
    assert stack.outputs["log_groups"]["app"] == f"/slipway/{stack.profile}/app"
    assert stack.outputs["repositories"]["app"].endswith("/slipway/app")


def test_the_containers_of_each_profile(lean, durable):
    assert list(containers(lean.state)) == ["app", "postgres", "valkey"]
    assert list(containers(durable.state)) == ["app"]


def test_images_are_named_by_digest(stack):
    """R24"""
    for container in containers(stack.state).values():
        assert container["image"].split("@")[1].startswith("sha256:"), container["image"]


def test_the_app_is_told_where_its_data_is_and_whom_to_believe(lean):
    told = {item["name"]: item["value"] for item in containers(lean.state)["app"]["environment"]}
    subnets = resources(lean.state, "aws_subnet")
    public = [item["cidr_block"] for address, item in subnets.items() if ".public" in address]
    assert told["REDIS_URL"] == "redis://127.0.0.1:6379"
    assert sorted(told["TRUSTED_PROXIES"].split(",")) == sorted(public)
    assert (told["SLIPWAY_ENV"], told["DRAIN_SECONDS"]) == ("production", "0"), "one writer: nobody takes over meanwhile"


def test_the_records_are_known_before_the_load_balancer_is(lean):
    """The proof for ACM, with the certificate alone applied; then the record of the domain."""
    first = lean.outputs_of_the_certificate
    assert "acm-validations.aws." in first["certificate_zone_file"] and first.get("zone_file") is None
    assert lean.outputs["certificate_zone_file"] == first["certificate_zone_file"]
    assert lean.outputs["zone_file"] == f"{DOMAIN}. 300 IN CNAME {lean.outputs['load_balancer']}.\n"


def test_somebody_elses_lock_stops_a_plan_and_says_whose_it_is(lean):
    assert lean.locked.returncode == 1
    assert "Error acquiring the state lock" in lean.locked.stderr and "ada@laptop" in lean.locked.stderr


def test_the_timeouts_of_aws_are_in_their_order(stack):
    """Deregistered before the drain ends, where another task takes over; drained long before ECS kills; health checks answer
    before the next."""
    timeouts = stack.outputs["timeouts"]
    assert timeouts["drain"] == 0 or timeouts["deregistration"] < timeouts["drain"]
    assert timeouts["drain"] < 45 < timeouts["stop"] <= 120
    assert timeouts["health_check"]["timeout"] < timeouts["health_check"]["interval"]
    [load_balancer] = resources(stack.state, "aws_lb").values()
    assert load_balancer["idle_timeout"] == timeouts["alb_idle"] == 60


def test_logs_are_kept_as_long_as_the_profile_says(lean, durable):
    kept = [{group["retention_in_days"] for group in resources(profile.state, "aws_cloudwatch_log_group").values()} for profile in (lean, durable)]
    assert kept == [{7}, {30}]


def test_everything_carries_the_tags_of_the_stack(stack):
    """A deploy role finds what is its own by them, and a person what a line of the bill is for."""
    items = [item for item in stack.state["values"]["root_module"]["resources"] if item["mode"] == "managed" and "tags_all" in item["values"]]
    wrong = [
        item["address"] for item in items
        if (item["values"]["tags_all"].get("Project"), item["values"]["tags_all"].get("Environment")) != ("slipway", stack.profile)
    ]
    assert len(items) > 30 and wrong == []


def test_the_runbook_has_every_alarm_and_event_and_no_other(lean, durable):
    there = set()
    for stack in (lean, durable):
        alarms = {item["alarm_name"] for item in resources(stack.state, "aws_cloudwatch_metric_alarm").values()}
        events = {item["name"] for item in resources(stack.state, "aws_cloudwatch_event_rule").values()}
        there |= {name.removeprefix(f"slipway-{stack.profile}-") for name in alarms | events}
    tables = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/RUNBOOK.md").read_text(), re.MULTILINE)
    assert sorted(tables) == sorted(there)


def test_the_dashboard_and_every_alarm_reach_somebody(stack):
    [topic] = resources(stack.state, "aws_sns_topic").values()
    alarms = resources(stack.state, "aws_cloudwatch_metric_alarm").values()
    targets = resources(stack.state, "aws_cloudwatch_event_target").values()
    assert len(alarms) >= 6 and all(alarm["alarm_actions"] == [topic["arn"]] for alarm in alarms)
    assert len(targets) == 4 and all(target["arn"] == topic["arn"] for target in targets)
    for target in targets:
        [said] = target["input_transformer"]
        # EventBridge puts the fields in, and what comes out has to be JSON: one string, which SNS mails as it is.
        text = re.sub("<(?:time|why)>", "x", said["input_template"])
        assert json.loads(text).startswith(f"slipway-{stack.profile}, x: ") and sorted(said["input_paths"]) == ["time", "why"]
    [dashboard] = resources(stack.state, "aws_cloudwatch_dashboard").values()
    widgets = json.loads(dashboard["dashboard_body"])["widgets"]
    assert {alarm["arn"] for alarm in alarms} == set(widgets[0]["properties"]["alarms"])
    places = [(x, y) for item in widgets for x in range(item["x"], item["x"] + item["width"]) for y in range(item["y"], item["y"] + item["height"])]
    assert len(places) == len(set(places)) and max(x for x, _ in places) == 23
