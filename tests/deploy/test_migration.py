"""The schema first, by a task of its own, where the database outlives a task."""

from test_life import lines


def test_a_first_deploy_migrates_nothing_first(durable):
    assert durable.first.code == 0, durable.first
    assert "Migration" not in durable.first.out and durable.runs_of_first == []


def test_the_new_app_migrates_before_the_service_changes(durable):
    assert durable.second.code == 0, durable.second
    [run] = durable.runs_of_second
    assert run["asked"]["overrides"] == {"containerOverrides": [{"name": "app", "command": ["migrate"]}]}
    [app] = [item for item in run["task"]["containers"] if item["name"] == "app"]
    assert app["imageDigest"] == durable.second_app.digest
    assert run["task"]["taskDefinitionArn"] not in run["deployments"]
    assert lines(durable.second.out, "Migration")[-1] == "done"


def test_it_runs_where_the_service_runs(durable):
    network = durable.runs_of_second[0]["asked"]["networkConfiguration"]["awsvpcConfiguration"]
    assert len(network["subnets"]) == 2 and network["securityGroups"] and network["assignPublicIp"] == "ENABLED"


def test_a_migration_that_fails_changes_nothing_of_the_service(durable):
    assert durable.failed.code == 1, durable.failed
    assert "the schema could not be brought up to date" in durable.failed.errors
    assert "DATABASE_URL could not be migrated (deadlock)" in durable.failed.out
    assert durable.release_after_failed == durable.release_before


def test_the_next_run_migrates_again_and_goes_on(durable):
    assert durable.continued.code == 0, durable.continued
    assert lines(durable.continued.out, "Migration")[-1] == "done"


def test_a_rollback_does_not_wait_for_a_migration(durable):
    assert durable.rollback.code == 0, durable.rollback
    assert durable.runs_of_rollback == []
