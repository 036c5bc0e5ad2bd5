"""What goes wrong on the way, each with its reason, its exit code and what to do."""


def test_a_registry_that_goes_away_for_long_is_said_and_the_stack_is_not_touched(production):
    failed = production.broken_push
    assert failed.code == 5, failed
    assert "attempt 2 of 5" in failed.out and "attempt 5 of 5" in failed.out
    assert "deploy: the registry does not take app: " in failed.errors
    assert "the stack was not touched; run it again, and it goes on with the layers that are not there yet" in failed.errors
    assert production.stack_after_broken_push == []


def test_a_registry_that_comes_back_is_pushed_to_again_and_gets_no_layer_twice(production):
    assert "attempt 2 of 5" in production.waits_for_dns.out and "attempt 3 of 5" not in production.waits_for_dns.out
    arrived = set(production.uploads_before)
    assert arrived and arrived < set(production.uploads)
    assert len(production.uploads) == len(set(production.uploads))
    for digest in arrived & set(production.first_app.layers):
        assert f"layer {digest[7:19]}  there already" in production.waits_for_dns.out


def test_a_certificate_that_is_not_issued_yet_names_the_record_to_make_and_the_next_run_goes_on(production):
    waiting = production.waits_for_dns
    assert waiting.code == 7, waiting
    assert "made aws_acm_certificate.this[0]" in waiting.out and "acm-validations.aws." in waiting.out
    assert "Make this DNS record, and leave it there for ever:" in waiting.out
    assert "then run it again, and it goes on" in waiting.errors
    assert production.stack_without_certificate == [] and production.first.code == 0


def test_a_lock_names_who_holds_it_and_how_to_break_it(production):
    assert production.locked.code == 4, production.locked
    assert "somebody else is changing production: bob@laptop, since 2026-01-01T00:00:00Z (OperationTypeApply)" in production.locked.errors
    assert "force-unlock 42" in production.locked.errors
    assert production.locked.out == ""


def test_ctrl_c_says_how_far_it_got_and_the_next_run_goes_on(production):
    assert production.interrupted.code == 130, production.interrupted
    assert "interrupted while following: the rollout goes on in AWS" in production.interrupted.errors
    assert production.continued.code == 0, production.continued
    assert "nothing changes" in production.continued.out and "\nRollout" in production.continued.out
    assert production.running_after_second == {production.second_app.digest}


def test_ctrl_c_in_the_middle_of_an_apply_keeps_what_was_made_and_leaves_no_lock(staging):
    stopped = staging.interrupted_apply
    assert stopped.code == 130, stopped
    assert "interrupted while applying: what was made is in the state" in stopped.errors
    assert "made aws_ecs_service.app" not in stopped.out and staging.locks_after_interrupted_apply == []
    assert staging.first.code == 0, staging.first
    assert "made aws_sns_topic.alarms" not in staging.first.out, "made twice"


def test_a_deploy_that_ecs_rolled_back_fails_with_the_tasks_reason_and_its_last_lines(production):
    """R23"""
    failed = production.rolled_back
    assert failed.code == 1, failed
    assert "ECS gave up on it: ECS deployment circuit breaker: tasks failed to start; it runs slipway-production:2 again" in failed.out
    assert "stopped: Essential container in task exited" in failed.out and "app ended with exit code 1" in failed.out
    assert "    error: DATABASE_URL is not a database's address" in failed.out
    assert "deploy: production did not take over " in failed.errors and "nix run .#rollback -- --env production" in failed.errors


def test_status_and_releases_tell_that_what_was_deployed_does_not_run(production):
    assert production.status_of_rolled_back.code == 1
    assert f"digest     {production.second_app.digest}" in production.status_of_rolled_back.out
    assert "slipway-production:3 was deployed last and does not run" in production.status_of_rolled_back.errors
    assert "never took over" in production.releases_of_rolled_back.out.splitlines()[1]


def test_a_release_that_never_took_over_is_not_gone_back_to(production):
    assert production.rollback_to_failed.code == 3 and "never took over" in production.rollback_to_failed.errors
    assert production.rollback_to_unknown.code == 3
    assert "no release of production has a digest or commit that begins with 0000000" in production.rollback_to_unknown.errors


def test_a_task_that_runs_another_digest_is_a_failure(staging):
    """R23"""
    assert staging.another_digest.code == 1, staging.another_digest
    assert f"a task runs sha256:{'f' * 64}, and sha256:" in staging.another_digest.out


def test_a_deploy_whose_place_another_one_took_is_a_failure(staging):
    assert staging.taken_over.code == 1, staging.taken_over
    assert "another deployment took its place: slipway-staging:" in staging.taken_over.out
    assert "health check" not in staging.taken_over.out, "it had no time to fail one"


def test_a_rollout_that_never_gets_healthy_ends_at_its_time_with_what_is_known(staging):
    failed = staging.never_healthy
    assert failed.code == 1, failed
    assert "is unhealthy in (target-group" in failed.out
    assert "not done after 1 minutes, and ECS goes on trying" in failed.out
    assert "the load balancer's health check of /health does not pass" in failed.out


def test_a_rollback_after_failures_goes_to_the_one_that_was_good(staging):
    assert staging.rollback.code == 0, staging.rollback
    assert staging.world.running_digests("staging") == {staging.first_app.digest}


def test_a_version_that_runs_and_does_not_answer_is_told_apart(production):
    failed = production.promotion_that_does_not_answer
    assert failed.code == 6, failed
    assert "200  /health" in failed.out and '503  /ready  {"title": "Service Unavailable"' in failed.out
    assert "the new version runs, and does not answer as it should" in failed.errors


def test_a_shell_needs_exec_to_be_switched_on(production):
    assert production.shell.code == 3
    assert "ECS Exec is switched off in production" in production.shell.errors and "set exec = true" in production.shell.errors
