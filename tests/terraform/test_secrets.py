"""R25: secrets are generated, reach the containers by reference, and are in no file that Terraform writes."""

import json

from aws import resources


def test_secrets_are_long_random_and_different(stack):
    secrets = stack.secrets
    assert len(secrets["jwt-secret/1"]) == 64 and len(secrets["database-password"]) == 40
    assert len(set(secrets.values())) == len(secrets)
    assert secrets["database-password"].isalnum(), "it stands in a URL, and the image takes 16 printable characters or more"


def test_no_state_and_no_plan_holds_a_secret(stack):
    """Neither any version of the state in the bucket, nor a saved plan, nor anything else in the folder."""
    assert any(name.endswith("tfplan") for name in stack.files), "saved plans are looked into"
    assert sum("terraform.tfstate@" in name for name in stack.files) >= 2, "every version of the state is looked into"
    values = {name: value.encode() for name, value in (stack.secrets_before | stack.secrets).items()}
    found = {(name, file) for name, value in values.items() for file, content in stack.files.items() if value in content}
    assert found == set()


def test_no_output_holds_a_secret(stack):
    text = json.dumps([stack.outputs, stack.first_plan, stack.state])
    assert not [name for name, value in stack.secrets.items() if value in text]


def test_the_app_gets_the_url_of_its_database(lean, durable):
    password = lean.secrets_before["database-password"]
    assert lean.secrets_before["database-url/task"] == f"postgres://slipway:{password}@127.0.0.1:5432/slipway?sslmode=disable"
    password = durable.secrets["database-password"]
    [database] = resources(durable.state, "aws_db_instance").values()
    assert durable.secrets["database-url/rds"] == f"postgres://slipway:{password}@{database['address']}:5432/slipway?sslmode=require"


def test_a_new_jwt_secret_replaces_the_service_and_keeps_the_old_one_valid(lean):
    assert lean.plan_of_a_new_jwt_secret["changes"] == {
        'aws_ssm_parameter.jwt_secret["2"]': "create",
        "aws_iam_role_policy.execution": "update",
        "aws_ecs_task_definition.app": "delete/create",
        "aws_ecs_service.app": "update",
    }
    before, after = lean.secrets_before, lean.secrets_with_a_new_jwt_secret
    assert after["jwt-secret/1"] == before["jwt-secret/1"] != after["jwt-secret/2"]
    assert after["database-password"] == before["database-password"]


def test_a_new_password_replaces_the_service_and_reaches_both_sides(lean):
    assert lean.plan_of_a_new_password["changes"] == {
        "aws_ssm_parameter.database_password": "update",
        "aws_ssm_parameter.database_url": "update",
        "aws_iam_role_policy.execution": "update",  # the same text: it is read again after the parameters
        "aws_ecs_task_definition.app": "delete/create",
        "aws_ecs_service.app": "update",
    }
    before, after = lean.secrets_with_a_new_jwt_secret, lean.secrets_with_a_new_password
    assert before["database-password"] != after["database-password"]
    assert f":{after['database-password']}@" in after["database-url/task"]
    assert after["jwt-secret/2"] == before["jwt-secret/2"]


def test_a_plan_after_new_secrets_changes_nothing(lean):
    assert lean.changes_after_new_secrets == ""
