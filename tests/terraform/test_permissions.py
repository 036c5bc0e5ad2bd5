"""What the roles that bootstrap makes may do, compared with what Terraform asks AWS for in the whole life of a stack. By the
names of the actions; what they may be done to is in test_bootstrap.py."""

import json

from api_calls import Call
from aws import resources
from permissions import allows, needed_actions


def allowed_actions(bootstrap, role: str) -> list[str]:
    attached = {item["policy_arn"] for item in resources(bootstrap.state, "aws_iam_role_policy_attachment").values() if item["role"] == role}
    policies = [item["policy"] for item in resources(bootstrap.state, "aws_iam_policy").values() if item["arn"] in attached]
    assert len(policies) == len(attached) == 3
    listed = [statement["Action"] for policy in policies for statement in json.loads(policy)["Statement"] if statement["Effect"] == "Allow"]
    return [action for actions in listed for action in ([actions] if isinstance(actions, str) else actions)]


def missing(patterns: list[str], calls: list[Call]) -> set[str]:
    return {action for call in calls for action in needed_actions(call) if not allows(patterns, action)}


def test_a_deploy_role_may_do_whatever_terraform_does_in_its_name(bootstrap, stack):
    """apply, plan, a new digest, destroy; R29"""
    assert len({call.operation for call in stack.calls}) > 80
    assert missing(allowed_actions(bootstrap, f"slipway-deploy-{stack.profile}"), stack.calls) == set()


def test_an_action_that_is_missing_is_seen(bootstrap, stack):
    """With any of these taken away from the policies."""
    patterns = allowed_actions(bootstrap, f"slipway-deploy-{stack.profile}")
    for action in ("ecs:CreateService", "iam:PassRole", "logs:PutRetentionPolicy", "ec2:AttachInternetGateway", "ssm:PutParameter", "sns:Subscribe"):
        assert missing([pattern for pattern in patterns if pattern != action], stack.calls), action
