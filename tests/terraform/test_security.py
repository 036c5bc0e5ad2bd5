"""What must hold in every profile, asked of what was really made."""

import json

import pytest

from aws import resources
from test_bootstrap import as_list

# What AWS lets nobody limit to a resource.
UNLIMITED = {"ecr:GetAuthorizationToken"}


def test_nobody_but_the_load_balancer_is_open_to_the_world(stack):
    """R28"""
    groups = {item["id"]: address for address, item in resources(stack.state, "aws_security_group").items()}
    rules = resources(stack.state, "aws_vpc_security_group_ingress_rule").values()
    open_to_the_world = {(groups[rule["security_group_id"]], rule["from_port"]) for rule in rules if rule["cidr_ipv4"] or rule["cidr_ipv6"]}
    assert open_to_the_world == {("aws_security_group.alb", 80), ("aws_security_group.alb", 443)}


def test_the_task_is_reached_by_the_load_balancer_on_one_port(stack):
    """R28"""
    groups = {item["id"]: address for address, item in resources(stack.state, "aws_security_group").items()}
    rules = resources(stack.state, "aws_vpc_security_group_ingress_rule").values()
    into_the_task = [
        (groups[rule["referenced_security_group_id"]], rule["from_port"], rule["to_port"])
        for rule in rules if groups[rule["security_group_id"]] == "aws_security_group.task"
    ]
    assert into_the_task == [("aws_security_group.alb", 8080, 8080)]


def test_what_goes_out_is_limited(stack):
    """R28: to the world by HTTPS, from the task alone."""
    groups = {item["id"]: address for address, item in resources(stack.state, "aws_security_group").items()}
    rules = resources(stack.state, "aws_vpc_security_group_egress_rule").values()
    to_the_world = [(groups[rule["security_group_id"]], rule["from_port"], rule["to_port"]) for rule in rules if rule["cidr_ipv4"] or rule["cidr_ipv6"]]
    assert to_the_world == [("aws_security_group.task", 443, 443)]
    assert all(rule["ip_protocol"] == "tcp" for rule in rules)


def test_the_default_security_group_allows_nothing(stack):
    """R28"""
    [group] = resources(stack.state, "aws_default_security_group").values()
    assert (group["ingress"], group["egress"]) == ([], [])


def test_every_rule_says_why_it_is_there(stack):
    """R28"""
    for kind in ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"):
        for address, rule in resources(stack.first_plan, kind).items():
            assert rule["description"], address


def test_data_is_kept_in_private_subnets(stack):
    subnets = {item["id"]: address for address, item in resources(stack.state, "aws_subnet").items()}
    places = [item["subnet_id"] for item in resources(stack.state, "aws_efs_mount_target").values()]
    places += [subnet for item in resources(stack.state, "aws_db_subnet_group").values() for subnet in item["subnet_ids"]]
    assert len(places) == 2 and all(".private" in subnets[place] for place in places)
    routes = resources(stack.state, "aws_route").values()
    private = {item["id"] for address, item in resources(stack.state, "aws_route_table").items() if ".private" in address}
    assert not [route for route in routes if route["route_table_id"] in private], "private subnets have no way out"


def test_every_container_has_the_least_rights(stack):
    """R26"""
    [definition] = resources(stack.state, "aws_ecs_task_definition").values()
    for container in json.loads(definition["container_definitions"]):
        assert container["user"] == "1000:1000" and container["readonlyRootFilesystem"], container["name"]
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}, container["name"]
        assert not container.get("privileged"), container["name"]
        assert not [item for item in container.get("environment", []) if "SECRET" in item["name"] or "PASSWORD" in item["name"]]


def test_policies_name_their_resources(stack):
    """R25: * only where AWS knows nothing narrower."""
    policies = resources(stack.state, "aws_iam_role_policy")
    assert policies
    for address, item in policies.items():
        for statement in json.loads(item["policy"])["Statement"]:
            if "*" in as_list(statement["Resource"]):
                assert set(as_list(statement["Action"])) <= UNLIMITED, (address, statement)
            assert not [action for action in as_list(statement["Action"]) if action.endswith("*")], (address, statement)


def test_the_execution_role_reads_these_secrets_and_no_others(stack):
    """R25"""
    policy = json.loads(resources(stack.state, "aws_iam_role_policy")["aws_iam_role_policy.execution"]["policy"])
    [allowed] = [as_list(item["Resource"]) for item in policy["Statement"] if item["Sid"] == "ReadTheseSecrets"]
    assert sorted(allowed) == sorted(item["arn"] for item in resources(stack.state, "aws_ssm_parameter").values())


def test_roles_are_two_for_tasks_of_this_account_within_the_boundary(stack):
    """R25"""
    roles = resources(stack.state, "aws_iam_role")
    assert sorted(roles) == ["aws_iam_role.execution", "aws_iam_role.task"]
    for role in roles.values():
        [statement] = json.loads(role["assume_role_policy"])["Statement"]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]
        assert role["permissions_boundary"].endswith(":policy/slipway-boundary")


def test_the_load_balancer_speaks_modern_tls_and_nothing_odd(stack):
    """R27"""
    [load_balancer] = resources(stack.state, "aws_lb").values()
    listeners = {item["port"]: item for item in resources(stack.state, "aws_lb_listener").values()}
    assert load_balancer["drop_invalid_header_fields"] and load_balancer["desync_mitigation_mode"] == "defensive"
    assert listeners[443]["ssl_policy"].startswith("ELBSecurityPolicy-TLS13-1-2-")
    assert listeners[80]["default_action"][0]["redirect"][0]["protocol"] == "HTTPS"


def test_everybody_who_has_something_to_tell_may_publish(stack):
    """EventBridge supports no condition in the policy of a topic: with one, its events would be dropped in silence."""
    [topic] = resources(stack.state, "aws_sns_topic_policy").values()
    publishers = {
        service: "Condition" in statement
        for statement in json.loads(topic["policy"])["Statement"] for service in as_list(statement["Principal"]["Service"])
    }
    assert publishers == {"cloudwatch.amazonaws.com": True, "budgets.amazonaws.com": True, "events.amazonaws.com": False}


def test_a_failed_deploy_is_rolled_back(stack):
    """R23"""
    [service] = resources(stack.state, "aws_ecs_service").values()
    assert service["deployment_circuit_breaker"] == [{"enable": True, "rollback": True}]


def test_one_writer_at_a_time_with_efs(lean, durable):
    """R22"""
    percent = ("deployment_minimum_healthy_percent", "deployment_maximum_percent")
    [service] = resources(lean.state, "aws_ecs_service").values()
    assert tuple(service[name] for name in percent) == (0, 100)
    [service] = resources(durable.state, "aws_ecs_service").values()
    assert tuple(service[name] for name in percent) == (100, 200)


@pytest.mark.parametrize("kind,count", [("aws_efs_file_system", 1), ("aws_db_instance", 1)])
def test_what_is_stored_is_encrypted(lean, durable, kind, count):
    found = [*resources(lean.state, kind).values(), *resources(durable.state, kind).values()]
    assert len(found) == count
    assert all(item.get("encrypted") or item.get("storage_encrypted") for item in found)
