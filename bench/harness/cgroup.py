"""A control group with a limit of memory and processor time, of version 2 or 1, whichever the machine has."""

import os
from pathlib import Path
from types import TracebackType

ROOT = Path("/sys/fs/cgroup")
PERIOD_MICROSECONDS = 100_000


class ControlGroup:
    """Exists until the end of the `with` block, when no process may be left in it."""

    def __init__(self, name: str, memory_bytes: int, cores: float) -> None:
        self.is_v2 = "memory" in read(ROOT / "cgroup.controllers").split()
        quota = round(cores * PERIOD_MICROSECONDS)
        try:
            if self.is_v2:
                self.folders = [ROOT / name]
                (ROOT / "cgroup.subtree_control").write_text("+memory +cpu")
                self.set({"memory.max": memory_bytes, "memory.swap.max": 0, "cpu.max": f"{quota} {PERIOD_MICROSECONDS}"})
            else:
                self.folders = [ROOT / "memory" / name, ROOT / "cpu" / name]
                self.set({"memory.limit_in_bytes": memory_bytes})
                self.set({"cpu.cfs_period_us": PERIOD_MICROSECONDS, "cpu.cfs_quota_us": quota})
        except OSError as error:
            raise RuntimeError(f"cannot make a control group ({error}): run this section as root") from error

    def set(self, values: dict[str, object]) -> None:
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
        for name, value in values.items():
            path = next((folder / name for folder in self.folders if (folder / name).exists()), None)
            # Not every kernel counts swap.
            if path is not None:
                path.write_text(str(value))

    @property
    def wrapper(self) -> list[str]:
        """A command that joins the group and then becomes the command after it."""
        joins = "; ".join(f"echo $$ >{folder}/cgroup.procs" for folder in self.folders)
        return ["sh", "-c", f'{joins}; exec "$@"', "join"]

    def peak_bytes(self) -> int:
        """The most memory that it held, page cache included."""
        names = ("memory.peak", "memory.max_usage_in_bytes")
        return max(int(read(folder / name) or 0) for folder in self.folders for name in names)

    def kills(self) -> int:
        """Processes that were killed because the memory did not suffice."""
        texts = [read(folder / name) for folder in self.folders for name in ("memory.events", "memory.oom_control")]
        counts = [line.split()[1] for text in texts for line in text.splitlines() if line.startswith("oom_kill ")]
        return sum(map(int, counts))

    def __enter__(self) -> "ControlGroup":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for folder in self.folders:
            os.rmdir(folder)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
