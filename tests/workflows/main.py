"""Runs all checks of .github/. One is a function that says by its name what holds; it fails by AssertionError."""

import inspect
import sys

import files
import linters
import scripts


def main():
    passed = failed = 0
    for module in [linters, files, scripts]:
        for name, check in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(check) or check.__module__ != module.__name__:
                continue
            try:
                check()
            except AssertionError as error:
                failed += 1
                print(f"FAILED: {name}\n  {error}", flush=True)
                continue
            passed += 1
            print(f"passed: {name}", flush=True)
    print(f"workflows: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
