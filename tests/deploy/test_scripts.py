"""The scripts as files."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "nix/apps"
COMMANDS = sorted(path.stem for path in APPS.glob("*.sh") if path.stem != "dev")
SCRIPTS = [path for path in [*sorted(APPS.rglob("*.sh")), ROOT / "tests/deploy/run", ROOT / "tests/terraform/setup.sh"] if path.stem != "dev"]


def test_every_command_of_the_issue_is_there():
    assert set(COMMANDS) == {
        "bootstrap", "deploy", "destroy", "logs", "plan", "promote", "releases", "rollback", "shell", "sleep", "status", "wake",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_shellcheck_finds_nothing(command):
    """With all that the command sources."""
    result = subprocess.run(["shellcheck", "-x", "-a", f"{command}.sh"], cwd=APPS, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_shellcheck_finds_nothing_in_the_tests_own_scripts():
    result = subprocess.run(["shellcheck", "-x", "tests/deploy/run", "tests/terraform/run"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_scripts_are_formatted():
    result = subprocess.run(["shfmt", "-i", "2", "-ci", "-d", *(APPS.glob("lib/*.sh")), *(APPS / f"{name}.sh" for name in COMMANDS)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_usage_and_every_exit_code(command):
    """Outside a checkout, without AWS, and without anything but bash."""
    result = subprocess.run([APPS / f"{command}.sh", "--help"], cwd="/", capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith(f"Usage: nix run .#{command} -- ")
    assert re.search(r"^Ends ", result.stdout, re.MULTILINE)
    assert max(map(len, result.stdout.splitlines())) <= 125


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flake_offers_every_command(command):
    assert re.search(rf'^  {command} = command "{command}" "', (APPS / "default.nix").read_text(), re.MULTILINE)


def test_every_file_is_short():
    assert {path.name: count for path in SCRIPTS if (count := len(path.read_text().splitlines())) > 200} == {}


def test_no_secret_is_an_argument():
    """The registry's password goes through standard input; nothing is read into a variable that is named like a secret."""
    text = "".join(path.read_text() for path in APPS.rglob("*.sh") if path.stem != "dev")
    assert "--password-stdin" in text and not re.search(r"--password[ =](?!-stdin)|--creds|get-login-password\)", text)


def test_the_document_takes_a_reader_from_an_empty_account_to_a_url_in_under_15_lines():
    section = (ROOT / "docs/DEPLOY.md").read_text().split("\n## Deploy\n", 1)[1].split("\n## ")[0]
    until_url = section[: section.index("That is the whole way")]
    assert len([line for line in until_url.splitlines() if line.strip()]) < 15
    for command in COMMANDS:
        assert f"nix run .#{command}" in section or f"`{command}" in section
