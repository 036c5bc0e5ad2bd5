"""The files themselves: formatted, valid, short, and without anything of one account or one machine."""

import re
import tomllib

import pytest

from aws import HERE, ROOT, Terraform, clean_environment
from conftest import FOLDER

FILES = sorted((ROOT / "terraform").glob("**/*.tf"))
FILES = [file for file in FILES if ".terraform" not in file.parts]


def settings() -> dict[str, str]:
    """Name => the text of its block."""
    text = (ROOT / "terraform/variables.tf").read_text()
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))


def test_every_file_is_formatted():
    result = Terraform(ROOT / "terraform", FOLDER / "formatted", clean_environment()).run("fmt", "-check", "-recursive", "-diff", accept=(0, 3))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("folder", ["terraform", "terraform/bootstrap"])
def test_every_configuration_is_valid(folder, lives):
    lives.bootstrap.result()
    terraform = Terraform(ROOT / folder, FOLDER / f"valid-{folder.replace('/', '-')}", clean_environment())
    terraform.init("-backend=false")
    terraform.run("validate")


def test_each_file_is_about_one_thing_and_short():
    assert {file.name: lines for file in FILES if (lines := len(file.read_text().splitlines())) > 450} == {}


@pytest.mark.parametrize("what,pattern", [
    ("an account id", r"\b\d{12}\b"),
    ("an ARN", r"arn:aws[\w-]*:"),
    ("a region", r"\b[a-z]{2}-(?:north|south|east|west|central)+-\d\b"),
])
def test_no_file_holds(what, pattern):
    found = {
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in FILES if file.name != "prices.tf"
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(pattern, line) and "description" not in line and not line.lstrip().startswith("#")
    }
    assert found == set()


def test_there_are_about_twenty_settings():
    assert len(settings()) <= 22


@pytest.mark.parametrize("name", settings())
def test_a_setting_is_typed_described_and_checked(name):
    block = settings()[name]
    assert re.search(r"^  type += ", block, re.MULTILINE)
    assert len(re.search(r'description = "(.*)"', block)[1]) > 60, "say what it costs or risks"
    # A switch has no wrong value, and what Route 53 calls its zones is Route 53's to check.
    assert "validation {" in block or "type        = bool" in block


def test_every_refusal_is_tested():
    """As many test runs for a setting as it has validations, at least."""
    runs = (ROOT / "terraform/tests/refused.tftest.hcl").read_text()
    missing = {
        name: block.count("validation {") for name, block in settings().items()
        if runs.count(f"[var.{name}]") < block.count("validation {")
    }
    assert missing == {}


def test_checkov_finds_nothing_but_the_exceptions(checkov):
    exceptions = tomllib.loads((HERE / "checkov-exceptions.toml").read_text())
    assert all(len(entry["reason"]) > 20 for entry in exceptions.values())
    assert checkov == {check: sorted(entry["resources"]) for check, entry in exceptions.items()}


def test_terraform_itself(terraform_run, mocked):
    status, said = mocked.get(terraform_run, ("was not run", ""))
    assert status == "pass", said


def test_the_readme_quotes_the_price_of_each_profile(stack):
    total = stack.outputs["monthly_cost"]["total"]
    rows = [line for line in (ROOT / "terraform/README.md").read_text().splitlines() if line.startswith(f"| `{stack.profile}.tfvars`")]
    assert len(rows) == 1 and f"${total}" in rows[0], f"README.md should quote ${total}"
