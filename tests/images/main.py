"""Runs scenarios: main.py [--containers] FOLDER_OF_IMAGES [WORD...]

Without --containers it looks at the archives; with it, it runs them, which needs root.
"""

import signal
import sys
from contextlib import nullcontext

from podman import Podman
from specification import Images, Loader, Result, Specification

ABOUT_ARCHIVES = ["archives"]
ABOUT_CONTAINERS = ["pod", "shutdown", "kills", "volume", "foreign", "registry", "readme"]

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def interrupt(*_):
    """Ends everything, once: what is taken away then is taken away undisturbed."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    containers = sys.argv[1] == "--containers"
    folder, *words = sys.argv[2:] if containers else sys.argv[1:]
    # However this ends, what it started is taken away again.
    for number in SIGNALS:
        signal.signal(number, interrupt)
    loader, result = Loader(words), Result()
    subjects = ABOUT_CONTAINERS if containers else ABOUT_ARCHIVES
    suite = loader.loadTestsFromNames([f"scenarios.{subject}" for subject in subjects])
    with Podman() if containers else nullcontext() as podman:
        Specification.images, Specification.podman = Images(folder), podman
        suite.run(result)
    print(f"{result.passed} passed, {result.failed} failed")
    sys.exit(result.failed > 0)


if __name__ == "__main__":
    main()
