"""The branch `upstream`: each version of Slipway as this service would have it, one commit on top of the other. Merging it
merges what changed between two versions, as if both had had this service's name."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BRANCH = "upstream"
# The remote that `init` makes of `origin`.
REMOTE = "slipway"


def git(*arguments: str, **more) -> str:
    """What Git prints; its own words and exit code when it fails."""
    result = subprocess.run(["git", *arguments], text=True, stdout=subprocess.PIPE, **more)
    if result.returncode != 0:
        sys.exit(result.returncode)
    return result.stdout.strip()


def check_nothing_is_uncommitted() -> None:
    changes = git("status", "--porcelain")
    if changes:
        sys.exit(f"there are changes that are in no commit; commit or remove them first:\n{changes}")


def commit_version(commit: str, name: str, parents: list[str]) -> str:
    """Puts a version of Slipway on the branch, with this name; by the rules that this version itself has."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, index = Path(temporary, "tree"), Path(temporary, "index")
        folder.mkdir()
        archive = subprocess.Popen(["git", "archive", commit], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
        if archive.wait() != 0:
            sys.exit(f"{commit} cannot be read")
        subprocess.run([sys.executable, folder / "template/renamed.py", name, folder], check=True)
        shutil.rmtree(folder / "template/__pycache__", ignore_errors=True)
        directory = git("rev-parse", "--absolute-git-dir")
        environment = os.environ | {"GIT_DIR": directory, "GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index)}
        git("add", "--all", "--force", ".", env=environment, cwd=folder)
        tree = git("write-tree", env=environment)
    if parents and tree == git("rev-parse", f"{parents[0]}^{{tree}}"):
        return parents[0]
    which = git("describe", "--always", "--tags", commit)
    return git("commit-tree", tree, *(word for parent in parents for word in ("-p", parent)), "-m", f"Slipway {which}, as {name}")
