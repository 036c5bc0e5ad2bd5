"""The files themselves: formatted, valid, short, and without anything of one account or one machine."""

import re
import tomllib

import pytest

from aws import HERE, ROOT, Terraform, clean_environment
from conftest import FOLDER

FILES = sorted((ROOT / "terraform").glob("**/*.tf"))
README = (ROOT / "terraform/README.md").read_text()
FILES = [file for file in FILES if ".terraform" not in file.parts]


def settings() -> dict[str, str]:
    """Name => the text of its block."""
    text = (ROOT / "terraform/variables.tf").read_text()
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("folder", ["terraform", "terraform/bootstrap"])
def test_every_file_is_formatted(folder):
    copy = Terraform(ROOT / folder, FOLDER / f"formatted-{folder.replace('/', '-')}", clean_environment())
    result = copy.run("fmt", "-check", "-recursive", "-diff", accept=(0, 3))
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
    [row] = [line for line in README.splitlines() if line.startswith(f"| `{stack.profile}.tfvars`")]
    assert f"${total}" in row, f"README.md should quote ${total}"


def test_every_total_in_the_readme_is_one_that_a_test_works_out():
    rows = [line for line in README.splitlines() if line.startswith("|") and "$" in line]
    totals = re.findall(r"\$(\d+\.\d\d)", " ".join(rows))
    tested = re.findall(r'total == "(.*?)"', (ROOT / "terraform/tests/cost.tftest.hcl").read_text())
    assert len(totals) == 6 and set(totals) <= set(tested)


def test_settings_quote_the_prices_that_the_estimate_makes(lean, durable):
    lines = lean.outputs["monthly_cost"]["lines"] | durable.outputs["monthly_cost"]["lines"]
    price = {name.split(" (")[0]: float(dollars) for name, dollars in lines.items() if dollars[0].isdigit()}
    address = price["Public IPv4 addresses"] / 4
    known = {
        "one address": address, "two addresses": 2 * address, "cache": price["ElastiCache cache.t4g.micro"],
        "RDS": price["RDS db.t4g.micro"] + price["RDS storage"], "Spot": price["Fargate Spot"], "on demand": price["Fargate on demand"],
        "the difference": price["Fargate on demand"] - price["Fargate Spot"], "a zone of Route 53": 0.50,
    }
    quoted = {float(dollars) for block in settings().values() for dollars in re.findall(r"\$(\d+\.\d\d)", block)}
    assert quoted == {round(dollars, 2) for dollars in known.values()}
