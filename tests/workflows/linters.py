"""What others' programs say about .github/."""

import glob
import subprocess


def zizmor_finds_nothing_and_nothing_is_hidden_from_it():
    _run("zizmor", "--persona=pedantic", "--offline", "--no-ignores", "--strict-collection", "--no-progress", ".github")


def actionlint_finds_nothing():
    _run("actionlint", *sorted(glob.glob(".github/workflows/*.yml")))


def shellcheck_finds_nothing_in_the_scripts():
    _run("shellcheck", *sorted(glob.glob(".github/scripts/*")))


def _run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{command[0]} ended with {result.returncode}:\n{result.stdout}{result.stderr}"
