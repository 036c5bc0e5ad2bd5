"""What stands in the workflows."""

import re
from pathlib import Path

import yaml

WORKFLOWS = {path.name: path.read_text() for path in sorted(Path(".github/workflows").glob("*.yml"))}
PARSED = {name: yaml.safe_load(text) for name, text in WORKFLOWS.items()}
README = Path(".github/workflows/README.md").read_text()
JOBS = [(f"{name}, job {key}", job) for name, workflow in PARSED.items() for key, job in workflow["jobs"].items()]
STEPS = [(where, step) for where, job in JOBS for step in job["steps"]]
# YAML 1.1 reads the key `on` as a boolean.
TRIGGERS = {name: workflow[True] for name, workflow in PARSED.items()}

FROM_THIS_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def every_action_is_pinned_by_commit_with_its_version_beside_it():
    lines = [line for text in WORKFLOWS.values() for line in text.splitlines() if re.search(r"\buses:", line)]
    bad = [line.strip() for line in lines if not re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)]
    assert lines and not bad, bad


def the_pins_are_those_whose_origin_the_readme_tells():
    used = {pin for text in WORKFLOWS.values() for pin in re.findall(r"uses: (\S+)@(\w+) # (\S+)", text)}
    told = set(re.findall(r"^\| `([\w./-]+)` \| (v\S+) \| `(\w{40})` \|", README, re.MULTILINE))
    told = {(action, commit, version) for action, version, commit in told}
    assert used == told, f"only used: {used - told}; only in its README.md: {told - used}"


def every_stage_of_the_tests_is_run_by_a_job_and_no_other():
    text = Path("tests/stages.sh").read_text()
    stages = set(re.findall(r"^stage_(\w+)\(\)", text, re.MULTILINE))
    core = {stage for lane in re.findall(r"^core_\w+=\((.*)\)$", text, re.MULTILINE) for stage in lane.split()}
    run = set()
    for job in [*PARSED["ci.yml"]["jobs"].values(), *PARSED["advisories.yml"]["jobs"].values()]:
        for step in job["steps"]:
            for asked in re.findall(r"\./test\b ?(.*)", step.get("run", "")):
                run.update(job["strategy"]["matrix"]["stage"] if asked == '"$STAGE"' else asked.split() or core)
    stages.remove("soak")  # ten minutes of random faults, by hand: ./test --soak
    assert stages == run, f"in no job: {stages - run}; not in ./test: {run - stages}"


def the_last_job_of_ci_waits_for_all_others():
    *others, last = PARSED["ci.yml"]["jobs"]
    needed = PARSED["ci.yml"]["jobs"][last]["needs"]
    assert last == "done" and sorted(needed) == sorted(others), set(others) ^ set(needed)


def no_workflow_has_permissions_that_its_jobs_do_not_name():
    assert all(workflow["permissions"] == {} for workflow in PARSED.values())
    bad = [where for where, job in JOBS if not isinstance(job.get("permissions"), dict)]
    assert not bad, bad


def what_a_pull_request_runs_may_write_nothing_but_a_comment():
    for where, job in _of_pull_requests():
        allowed = {("contents", "read"), ("id-token", "write"), ("pull-requests", "write")}
        assert set(job["permissions"].items()) <= allowed, f"{where} may do {job['permissions']}"


def a_fork_gets_no_credentials():
    for name, triggers in TRIGGERS.items():
        assert not {"pull_request_target", "workflow_run"} & set(triggers), f"{name} runs with credentials for a fork"
    for where, job in _of_pull_requests():
        if job["permissions"].get("id-token"):
            assert FROM_THIS_REPOSITORY in job.get("if", "") and job.get("environment"), f"{where} has no guard"


def the_cloud_is_signed_in_to_by_oidc_in_an_environment_and_no_secret_is_used():
    assert not any(re.search(r"\bsecrets\b", text) for text in WORKFLOWS.values())
    for where, job in JOBS:
        uses = " ".join(step.get("uses", "") for step in job["steps"])
        if "aws-actions/" in uses:
            assert job.get("environment") and job["permissions"].get("id-token") == "write", where
    keys = {key for _, step in STEPS if "aws-actions/" in step.get("uses", "") for key in step["with"]}
    assert keys == {"aws-region", "role-to-assume"}, keys


def every_variable_is_in_the_readme_and_no_other():
    used = {name for text in WORKFLOWS.values() for name in re.findall(r"\bvars\.(\w+)", text)}
    told = set(re.findall(r"^ *\| `(\w+)` \| (?:the repository|each environment) \|", README, re.MULTILINE))
    assert used == told, used ^ told


def every_job_has_a_name_and_a_time_limit():
    bad = [where for where, job in JOBS if not job.get("name") or not job.get("timeout-minutes")]
    assert not bad, bad


def no_checkout_leaves_its_token_behind():
    checkouts = [(where, step["with"]) for where, step in STEPS if "checkout@" in step.get("uses", "")]
    bad = [where for where, options in checkouts if options.get("persist-credentials") is not False]
    assert not bad, bad


def jobs_hold_no_logic_but_call_the_repositorys_commands():
    for where, step in STEPS:
        if command := step.get("run"):
            assert "\n" not in command and "${{" not in command, f"{where}: {command}"
            assert re.match(r"\./test\b|\.github/scripts/|nix |cargo update$|diff |test ", command), f"{where}: {command}"


def a_pipe_fails_with_its_first_command():
    bad = [step["run"] for _, step in STEPS if "|" in step.get("run", "") and step.get("shell") != "bash"]
    assert not bad, bad


def staging_and_production_are_deployed_in_the_same_way():
    jobs = PARSED["deploy.yml"]["jobs"]
    for name in ["staging", "production"]:
        assert jobs[name]["environment"] == jobs[name]["env"]["ENVIRONMENT"] == name
        assert jobs[name]["concurrency"] == {"group": f"deploy-to-{name}", "cancel-in-progress": False}
    assert jobs["staging"]["steps"] == jobs["production"]["steps"]
    assert jobs["production"]["needs"] == "staging"


def _of_pull_requests():
    names = [name for name, triggers in TRIGGERS.items() if "pull_request" in triggers]
    return [(where, job) for where, job in JOBS if where.split(",")[0] in names]
