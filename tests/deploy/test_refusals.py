"""What is refused before anything is changed: all of it in one list, each with its mend."""

import shutil

import pytest


@pytest.fixture
def visitor(account):
    """Somebody with a clean checkout and an environment that was never deployed."""
    person = account.person
    yield person
    person.git("checkout", "--quiet", "--force", ".")
    person.git("clean", "--quiet", "--force", "-d")


def refused(result, *said: str) -> None:
    assert result.code == 3, result
    for words in said:
        assert words in result.errors, result
    assert result.out == ""


def test_an_account_without_bootstrap(account):
    refused(
        account.before_bootstrap, "account 123456789012 has no bucket slipway-state-123456789012 for states",
        "make it once: nix run .#bootstrap -- --region eu-west-2",
    )
    assert not account.settings_before_bootstrap, "a file was written, and nothing was to be changed"


def test_no_credentials(visitor):
    result = visitor.run("deploy", *visitor.deploying, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    refused(result, "there are no AWS credentials", "aws configure sso")


def test_a_shell_that_is_in_another_region(visitor):
    result = visitor.run("deploy", *visitor.deploying, AWS_REGION="us-east-1")
    refused(result, "AWS_REGION is us-east-1, and visitor is in eu-west-2", "unset AWS_REGION")


def test_a_region_without_bootstrap(visitor):
    visitor.settings.write_text(visitor.settings.read_text().replace("eu-west-2", "us-east-1"))
    refused(visitor.deploy("--dirty"), "was bootstrapped in eu-west-2, and visitor is to be in us-east-1", 'set region = "eu-west-2"')


def test_bootstrap_in_a_second_region(account):
    refused(account.bootstrap_elsewhere, "was bootstrapped in eu-west-2, and not in us-east-1")


def test_bootstrap_that_would_take_away_somebodys_role(account):
    assert account.bootstrap_without_github.code == 2, account.bootstrap_without_github
    assert 'aws_iam_role.deploy["production"]' in account.bootstrap_without_github.out.split("THIS TAKES AWAY: ")[1]
    assert "standard input is no terminal" in account.bootstrap_without_github.errors


def test_a_checkout_with_changes_that_are_in_no_commit(visitor):
    (visitor.checkout / "terraform/lean.tfvars").write_text("")
    refused(visitor.deploy(), "the checkout has changes that are in no commit: terraform/lean.tfvars", "commit them, or say --dirty")


def test_an_image_of_another_commit(visitor):
    visitor.commit("A change that is not built")
    refused(visitor.deploy(), f"the checkout is at {visitor.head[:7]}", "build it again from this commit, or say --dirty")
    visitor.git("reset", "--quiet", "--hard", "HEAD~1")


def test_no_images(visitor):
    result = visitor.run("deploy", *visitor.deploying, IMAGES_DIR=None)
    refused(result, "no image app is given", "no image valkey is given", "no image postgres is given", "3 problems")


def test_an_archive_that_is_none(visitor, tmp_path):
    shutil.copytree(visitor.images, tmp_path, dirs_exist_ok=True)
    (tmp_path / "valkey.oci.tar").write_text("not an archive")
    refused(visitor.run("deploy", *visitor.deploying, IMAGES_DIR=str(tmp_path)), "valkey.oci.tar is no OCI archive of one image")


def test_an_environment_that_does_not_exist(visitor):
    for command in ("plan", "status", "rollback", "releases", "logs", "sleep", "wake"):
        refused(visitor.run(command, "--env", "nowhere"), "there is no environment nowhere: terraform/environments/nowhere.tfvars does not exist")


def test_another_profile_than_the_one_that_an_environment_was_made_from(visitor):
    refused(visitor.deploy("--profile", "durable"), "visitor was made from lean, and not from durable", "edit terraform/environments/visitor.tfvars")


def test_a_promotion_of_what_never_ran(visitor):
    refused(visitor.run("promote", "--from", "nowhere", *visitor.deploying), "nowhere has no release that has taken over")


def test_destroying_what_is_protected(visitor):
    refused(visitor.run("destroy", "--env", "visitor", "--confirm", "visitor"), "visitor is protected", "set deletion_protection = false")


def test_missing_programs(visitor, tmp_path):
    for program in ("bash", "env", "dirname", "basename", "mktemp", "rm", "git", "jq", "tar", "sed", "cat", "tail"):
        (tmp_path / program).symlink_to(shutil.which(program))
    refused(visitor.run("deploy", *visitor.deploying, PATH=str(tmp_path)), "missing on PATH: aws curl skopeo terraform")


def test_all_problems_are_told_at_once(visitor):
    (visitor.checkout / "new").write_text("")
    result = visitor.run(
        "deploy", *visitor.deploying, IMAGES_DIR=None, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None
    )
    refused(result, "because of 6 problems", "  1. the checkout has changes", "  2. AWS_REGION is us-east-1", "  6. there are no AWS credentials")


@pytest.mark.parametrize("command,arguments,said", [
    ("deploy", ["--profil", "lean"], "there is no option --profil"),
    ("deploy", ["--profile", "large"], 'lean or durable: it is "large"'),
    ("deploy", ["--env"], "--env needs a value"),
    ("deploy", ["--env", "Production"], 'lower-case letters, digits or hyphens: it is "Production"'),
    ("deploy", ["--timeout", "soon"], 'takes a number from 1: it is "soon"'),
    ("rollback", ["latest"], '7 or more digits of its digest or commit: it is "latest"'),
    ("promote", ["--from", "production"], "--from and --env are the same environment"),
    ("bootstrap", ["--github", "acme"], 'takes OWNER/NAME: it is "acme"'),
    ("bootstrap", ["--zone", "example.com"], 'takes the ID of a zone, such as Z0123456789ABCDEFGHIJ: it is "example.com"'),
    ("logs", ["nginx"], "there is no option or container nginx"),
    ("shell", ["app"], "the image of the app holds no shell"),
    ("destroy", [], "say which environment"),
    ("sleep", ["now"], "there is no option now"),
])
def test_a_command_line_that_is_wrong(visitor, command, arguments, said):
    result = visitor.run(command, *arguments)
    assert result.code == 2 and said in result.errors and "(see --help)" in result.errors, result


def test_what_must_be_asked_is_not_done_where_nobody_can_answer(visitor):
    result = visitor.run("sleep", "--env", "visitor")
    assert result.code == 2 and "standard input is no terminal" in result.errors, result
