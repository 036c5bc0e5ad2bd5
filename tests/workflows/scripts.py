"""What the scripts of the workflows do, tried on repositories and archives made for it. `gh` is one that notes how it
was called."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

FAKE_GH = """#!/bin/sh
printf '%s\\n' "$*" >>"$GH_NOTES"
case "$*" in
  "pr comment"*) cat >"$GH_NOTES.body" ;;
  "pr list"*) cat "$GH_NOTES.open" 2>/dev/null || true ;;
esac
"""


def a_change_of_documents_needs_neither_tests_nor_the_stack():
    assert _changes("README.md", "nix/README.md", "terraform/architecture.svg") == {"code": "false", "stack": "true"}
    assert _changes("README.md", "LICENSE", "bench/README.md") == {"code": "false", "stack": "false"}


def a_change_of_the_code_needs_the_tests_and_one_of_the_stack_the_stack():
    assert _changes("src/app.rs") == {"code": "true", "stack": "false"}
    assert _changes("README.md", "web/app.js") == {"code": "true", "stack": "false"}
    stack = ["terraform/alb.tf", "tests/terraform/run", "tests/deploy/run", "nix/timeouts.nix", "test", "flake.lock"]
    for path in [*stack, ".github/workflows/ci.yml"]:
        assert _changes(path) == {"code": "true", "stack": "true"}, path


def a_file_that_is_removed_or_moved_is_a_change():
    with _repository() as (folder, git):
        _write(folder, git, "src/app.rs", "first.md")
        git("rm", "--quiet", "src/app.rs")
        git("commit", "--quiet", "--message", "remove")
        assert _answers(folder, "HEAD^1")["code"] == "true"
        git("mv", "test", "test.md")
        git("commit", "--quiet", "--message", "move")
        assert _answers(folder, "HEAD^1") == {"code": "true", "stack": "true"}


def a_commit_without_changes_needs_nothing():
    with _repository() as (folder, git):
        git("commit", "--quiet", "--allow-empty", "--message", "nothing")
        assert _answers(folder, "HEAD^1") == {"code": "false", "stack": "false"}


def without_a_base_everything_is_needed():
    with _repository() as (folder, _):
        assert _answers(folder, "") == {"code": "true", "stack": "true"}


def a_base_that_is_not_there_is_an_error():
    with _repository() as (folder, _):
        assert _script(folder, "changes", "no-such-commit").returncode != 0


def the_digest_of_an_archive_is_the_one_that_a_registry_gives_it():
    with tempfile.TemporaryDirectory() as folder:
        digest = _make_archive(Path(folder) / ("0" * 32 + "-slipway-1.tar"))
        os.symlink("0" * 32 + "-slipway-1.tar", f"{folder}/result")
        result = _script(Path.cwd(), "image-digests", f"{folder}/result")
        assert result.stdout == f"{digest}  slipway-1.tar\n", result.stdout + result.stderr
        assert _script(Path.cwd(), "image-digests", f"{folder}/nothing").returncode != 0


def a_plan_is_posted_in_place_of_the_one_before():
    with _fake_gh() as (environment, notes):
        plan = notes.parent / "plan.txt"
        plan.write_text("  + aws_ecs_service.app\n```\n@team\n")
        result = _script(Path.cwd(), "post-plan", "7", str(plan), environment=environment)
        assert result.returncode == 0, result.stderr
        assert notes.read_text() == "pr comment 7 --edit-last --create-if-none --body-file -\n", notes.read_text()
        body = Path(f"{notes}.body").read_text()
        assert "~~~~~~text\n  + aws_ecs_service.app\n```\n@team\n\n~~~~~~\n" in body, body


def of_a_plan_that_is_too_long_the_end_is_posted():
    with _fake_gh() as (environment, notes):
        plan = notes.parent / "plan.txt"
        plan.write_text("ä" * 100_000 + "\nPlan: 1 to add\n")
        assert _script(Path.cwd(), "post-plan", "7", str(plan), environment=environment).returncode == 0
        body = Path(f"{notes}.body").read_text()
        assert len(body.encode()) < 65_536 and "left out" in body and "Plan: 1 to add" in body


def an_update_is_proposed_once_and_then_renewed():
    with _fake_gh() as (environment, notes), _repository() as (folder, git):
        remote = notes.parent / "remote.git"
        git("init", "--quiet", "--bare", str(remote))
        git("remote", "add", "origin", str(remote))
        _write(folder, git, "flake.nix", "flake.lock", "Cargo.lock")

        assert _script(folder, "propose-update", environment=environment).stdout.startswith("nothing is newer")
        assert not notes.exists()

        (folder / "Cargo.lock").write_text("newer")
        (folder / "test").write_text("no lock file")
        result = _script(folder, "propose-update", environment=environment)
        assert result.returncode == 0, result.stderr
        calls = [line.split(" --")[0] for line in notes.read_text().splitlines()]
        assert calls == ["pr list", "pr create", "workflow run ci.yml"], calls
        changed = git("--git-dir", str(remote), "show", "--name-only", "--format=%s", "update/locks").split("\n")
        assert changed[:3] == ["Update flake.lock and Cargo.lock", "", "Cargo.lock"] and len(changed) == 4, changed

        git("switch", "--quiet", "--force", "main")
        notes.unlink()
        Path(f"{notes}.open").write_text("7\n")
        (folder / "flake.lock").write_text("newer, too")
        assert _script(folder, "propose-update", environment=environment).returncode == 0
        calls = [line.split(" --")[0] for line in notes.read_text().splitlines()]
        assert calls == ["pr list", "workflow run ci.yml"], calls


def the_next_release_of_nixpkgs_is_taken_once_it_is_there():
    """By its tag, since the branch is made a week before (NixOS' release wiki, Release-Process)."""
    with _repository() as (folder, git), tempfile.TemporaryDirectory() as nixpkgs:
        git("init", "--quiet", nixpkgs)
        git("-C", nixpkgs, "commit", "--quiet", "--allow-empty", "--message", "one")
        (folder / "flake.nix").write_text('nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";\n')
        for tag, now in [("26.05", "26.05"), ("27.05", "26.05"), ("26.11", "26.11"), ("27.11", "27.05"), ("28.05", "27.11")]:
            git("-C", nixpkgs, "tag", tag)
            result = _script(folder, "next-release", nixpkgs)
            assert result.returncode == 0, result.stderr
            assert (folder / "flake.nix").read_text() == f'nixpkgs.url = "github:NixOS/nixpkgs/nixos-{now}";\n', result.stdout
        (folder / "flake.nix").write_text('nixpkgs.url = "github:NixOS/nixpkgs/master";\n')
        assert _script(folder, "next-release", nixpkgs).returncode == 1


def _changes(*paths):
    """What a commit that changes these files needs."""
    with _repository() as (folder, git):
        _write(folder, git, *paths)
        return _answers(folder, "HEAD^1")


def _answers(folder, base):
    result = _script(folder, "changes", base)
    assert result.returncode == 0, result.stderr
    return dict(line.split("=") for line in result.stdout.splitlines())


@contextmanager
def _repository():
    """A repository with the scripts and one commit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def git(*arguments):
            command = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments]
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        git("init", "--quiet", "--initial-branch=main")
        shutil.copytree(".github/scripts", folder / ".github/scripts")
        _write(folder, git, "test")
        yield folder, git


def _write(folder, git, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with open(folder / path, "a", encoding="ascii") as file:
            file.write("a line\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a change")


@contextmanager
def _fake_gh():
    with tempfile.TemporaryDirectory() as folder:
        gh = Path(folder) / "gh"
        gh.write_text(FAKE_GH)
        gh.chmod(0o755)
        notes = Path(folder) / "notes"
        yield {"PATH": f"{folder}:{os.environ['PATH']}", "GH_NOTES": str(notes), "GH_TOKEN": "none"}, notes


def _script(folder, name, *arguments, environment=None):
    command = [str(Path(folder).resolve() / ".github/scripts" / name), *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True)


def _make_archive(path):
    """The smallest OCI archive there is: an image without layers. Returns the digest of its manifest."""
    blobs = {}

    def add(document):
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    config = add({"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    kind = "application/vnd.oci.image"
    manifest = add({"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "layers": [],
                    "config": config | {"mediaType": f"{kind}.config.v1+json"}})
    index = {"schemaVersion": 2, "manifests": [manifest | {"mediaType": f"{kind}.manifest.v1+json"}]}
    files = blobs | {"index.json": json.dumps(index).encode(), "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    with tarfile.open(path, "w") as archive:
        for name in ("blobs", "blobs/sha256"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return manifest["digest"].removeprefix("sha256:")
