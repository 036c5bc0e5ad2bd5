"""The life of an environment: made, unchanged, deployed, taken back, promoted, put to sleep, destroyed."""

import re

from stories import DOMAIN


def lines(text: str, start: str) -> list[str]:
    """The indented lines under a heading."""
    found = text.split(f"\n{start}", 1)[1].split("\n\n")[0].splitlines()[1:]
    return [line.strip() for line in found]


def test_bootstrap_makes_what_an_account_needs_and_names_the_next_step(account):
    assert account.bootstrap.code == 0, account.bootstrap
    assert "s3://slipway-state-123456789012" in account.bootstrap.out
    assert "may deploy: staging, production" in account.bootstrap.out and "acme/slipway" in account.bootstrap.out
    assert account.bootstrap.out.rstrip().endswith("Next: nix run .#deploy -- --profile lean --region eu-west-2")


def test_bootstrap_lets_github_change_the_records_of_a_zone(account):
    assert account.bootstrap_with_a_zone.code == 0, account.bootstrap_with_a_zone
    assert "may change records of Z0123456789ABC" in account.bootstrap_with_a_zone.out
    assert lines(account.bootstrap_with_a_zone.out, "Plan") != ["nothing changes"]


def test_bootstrap_keeps_its_state_in_the_bucket_and_leaves_no_file_to_commit(account):
    assert "moved its state to s3://slipway-state-123456789012/bootstrap/terraform.tfstate" in account.bootstrap.out
    assert account.checkout_after_bootstrap == ""


def test_bootstrap_again_changes_nothing(account):
    assert account.bootstrap_again.code == 0, account.bootstrap_again
    assert lines(account.bootstrap_again.out, "Plan") == ["nothing changes"]


def test_the_first_deploy_serves_a_url(production):
    assert production.first.code == 0, production.first
    assert production.running_after_first == {production.first_app.digest}
    assert lines(production.first.out, "Smoke test") == ["200  /health", "200  /ready", "200  /hello"]
    assert f"URL        https://{DOMAIN}" in production.first.out
    assert f"digest     {production.first_app.digest}" in production.first.out


def test_the_registry_holds_every_digest_and_the_task_definition_names_it(production):
    for name, image in production.first_images:
        assert production.world.registry_has(name, image.digest), name
        assert production.requested_after_first[name] == image.digest


def test_a_new_environment_is_written_from_its_profile_and_deployed_before_it_is_committed(production):
    text = production.person.settings.read_text()
    assert text.startswith("# The environment production, made from lean.tfvars.")
    assert f'domain = "{DOMAIN}"' in text and 'database = "efs"' in text
    assert "new: terraform/environments/production.tfvars" in production.broken_push.out
    assert production.uncommitted.code == 3 and "terraform/environments/production.tfvars" in production.uncommitted.errors


def test_the_cost_is_shown_line_by_line_at_first_and_in_one_line_when_it_stays(production):
    assert "$19.32  Load balancer" in production.first.out and "cost: $35.65 a month\n" in production.first.out
    assert "Load balancer" not in production.plan_while_locked.out
    assert "cost: $35.65 a month, unchanged" in production.plan_while_locked.out


def test_what_ecs_says_is_printed_once_each(production):
    rollout = lines(production.first.out, "Rollout")
    said = [re.sub(r"^[\d:]+  ", "", line) for line in rollout]
    assert said[0].startswith("has started 1 tasks") and said[-1].endswith("as asked for")
    for event in ("has started 1 tasks", "registered 1 targets", "deployment completed", "has reached a steady state"):
        assert sum(event in line for line in said) == 1, rollout


def test_only_layers_that_changed_are_pushed(production):
    [changed] = set(production.second_app.layers) - set(production.first_app.layers)
    everything = {*production.second_app.layers, *dict(production.first_images)["postgres"].layers, *dict(production.first_images)["valkey"].layers}
    assert [blob for blob in production.uploads_by_second if blob in everything] == [changed]
    size = f"{production.second_app.layers[changed] / 1000:.1f} kB"
    assert f"pushed {size} in " in production.interrupted.out
    assert f"push {size}" in production.interrupted.out and "there already, 300.6 kB" in production.interrupted.out


def test_a_deploy_with_nothing_changed_is_done_in_seconds(production):
    """Less than 20 s on a machine that does nothing else, most of which Terraform's plan takes."""
    done = production.nothing_to_do
    assert done.code == 0, done
    assert lines(done.out, "Plan") == ["nothing changes, and slipway-production:2 has taken over"]
    assert "pushed 0 B" in done.out and "\nApply" not in done.out and "\nRollout" not in done.out
    assert ", nothing was to do\n" in done.out
    assert production.cpu_seconds_of_nothing_to_do < 20
    print(f"{done.seconds:.1f} s, of which {production.cpu_seconds_of_nothing_to_do:.1f} s of processor time")


def test_status_says_what_runs(production):
    assert production.status.code == 0, production.status
    assert f"digest     {production.second_app.digest}" in production.status.out and "1 of 1 running" in production.status.out


def test_a_plan_takes_no_lock_and_names_the_digests_of_a_deploy(production):
    assert production.plan_while_locked.code == 0, production.plan_while_locked
    assert f"app        {production.third_app.digest}" in production.plan_while_locked.out
    assert lines(production.plan_while_locked.out, "Plan")[:3] == [
        "~ aws_ecs_service.app", "± aws_ecs_task_definition.app", "1 to add, 1 to change, 1 to destroy",
    ]


def test_a_rollback_goes_back_to_the_last_good_release_and_state_and_reality_agree(production):
    assert production.rollback.code == 0, production.rollback
    assert production.requested_after_rollback["app"] == production.second_app.digest
    assert production.status_after_rollback.code == 0, production.status_after_rollback


def test_a_rollback_goes_to_a_digest_that_is_named(production):
    assert production.rollback_by_digest.code == 0, production.rollback_by_digest
    assert production.running_after_rollback_by_digest == {production.first_app.digest}


def test_releases_are_listed_with_time_commit_digest_who_and_what_became_of_them(production):
    title, *rows = production.releases.out.splitlines()
    assert title.split() == ["TIME", "(UTC)", "COMMIT", "DIGEST", "BY", "STATE"]
    table = [re.split(r"\s{2,}", row) for row in rows]
    assert [row[4] for row in table] == ["runs", "took over", "never took over", "took over", "took over"]
    first, second, third = (app.digest[7:19] for app in (production.first_app, production.second_app, production.third_app))
    assert [row[2] for row in table] == [first, second, third, second, first]
    assert table[0][1] == table[4][1] and re.fullmatch(r"[0-9a-f]{7}", table[0][1])
    assert {row[3] for row in table} == {"engineers/ada"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row[0]) for row in table)


def test_staging_is_promoted_by_its_digest_and_nothing_is_pushed(production, staging):
    assert production.promotion.code == 0, production.promotion
    assert production.running_after_promotion == {staging.first_app.digest}
    assert production.uploads_by_promotion == []


def test_sleep_stops_every_task_and_wake_starts_them(production):
    assert (production.sleep.code, production.tasks_asleep) == (0, 0), production.sleep
    assert (production.wake.code, production.tasks_awake) == (0, 1), production.wake
    assert "200  /ready" in production.wake.out


def test_logs_prints_what_a_container_wrote(production):
    assert production.logs.code == 0
    assert len(re.findall(r"^\d{4}-\d\d-\d\d [\d:]{8}  error: DATABASE_URL is not", production.logs.out, re.MULTILINE)) == 2


def test_destroy_wants_the_name_says_what_is_lost_and_leaves_nothing(production):
    assert production.destroy_unconfirmed.code == 2 and "standard input is no terminal" in production.destroy_unconfirmed.errors
    assert production.destroy_another.code == 2 and "the names differ" in production.destroy_another.errors
    assert production.destroy.code == 0, production.destroy
    assert "the database on EFS; AWS Backup keeps its backups for 35 days and bills them" in production.destroy.out
    assert lines(production.destroy.out, "What is left")[0] == "nothing that is tagged as production's"
    [cluster] = production.world.aws.client("ecs").describe_clusters(clusters=["slipway-production"])["clusters"]
    assert cluster["status"] == "INACTIVE"


def test_releases_outlive_the_environment(production):
    assert production.releases_after_destroy.code == 0
    assert production.first_app.digest[7:19] in production.releases_after_destroy.out


def test_the_registrys_password_is_left_in_no_file_and_no_output(production):
    assert production.plain_files == []
    for said in vars(production).values():
        assert "auth-token" not in str(getattr(said, "said", ""))
