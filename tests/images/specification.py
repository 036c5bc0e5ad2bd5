"""Scenarios with names that say what holds, on top of unittest."""

import os
import platform
import time
import unittest
from functools import cached_property

from oci_archive import Image

PARTS = ["app", "valkey", "postgres"]
ARCHITECTURES = ["arm64", "amd64"]


class Specification(unittest.TestCase):
    """A subject. Each of its methods is a scenario, run in the order in which it stands; those with an underscore in front
    are helpers."""

    longMessage = True
    # Set before anything runs: where the images are, and an engine (None when no container is to run).
    images = None
    podman = None


class Images:
    """The images that tests/images/run has built."""

    # Of this machine.
    native = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"

    def __init__(self, folder):
        self.folder, self._read = os.path.abspath(folder), {}

    def of(self, part, architecture):
        """One image, such as `app` for `arm64`."""
        return self.at(f"{part}-{architecture}")

    def at(self, name):
        """The image of a file."""
        if name not in self._read:
            self._read[name] = Image(f"{self.folder}/{name}")
        return self._read[name]

    @cached_property
    def all(self):
        """All images by (part, architecture)."""
        return {(part, architecture): self.of(part, architecture) for architecture in ARCHITECTURES for part in PARTS}


class Loader(unittest.TestLoader):
    """Finds the scenarios whose names contain one of some words, or all of them."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def getTestCaseNames(self, testCaseClass):
        fixtures = vars(unittest.TestCase)
        own = [name for name, value in vars(testCaseClass).items() if callable(value)]
        scenarios = [name for name in own if name not in fixtures and not name.startswith("_")]
        return [name for name in scenarios if not self.words or any(word in name for word in self.words)]


class Result(unittest.TestResult):
    """Prints each scenario when it has ended, and counts."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0

    def startTest(self, test):
        super().startTest(test)
        self.started, self.problems = time.monotonic(), []

    def addSuccess(self, test):
        self.passed += 1
        print(f"ok      {self._name(test)}", flush=True)

    def addFailure(self, test, err):
        self._report(self._name(test), [self._exc_info_to_string(err, test)])

    def addError(self, test, err):
        if isinstance(test, unittest.TestCase):
            self.addFailure(test, err)
        else:  # what several scenarios share could not be set up, and none of them ran
            self._report(str(test), [self._exc_info_to_string(err, test)])

    def addSubTest(self, test, subtest, err):
        if err:
            self.problems.append(f"{subtest._subDescription()}\n{self._exc_info_to_string(err, test)}")

    def stopTest(self, test):
        super().stopTest(test)
        if self.problems:
            self._report(self._name(test), self.problems)

    def _name(self, test):
        return f"{test._testMethodName} ({time.monotonic() - self.started:.1f} s)"

    def _report(self, name, problems):
        self.failed += 1
        print(f"FAILED  {name}", *problems, sep="\n        ", flush=True)
