"""Run by the Python of Tempest's own environment: runs the modules given, and prints as JSON what became of each test.
Classes whose names follow `--without` are not run.

Not by Tempest's own command line, which wants a workspace in the user's home. What fails is in `failed` with its
traceback, what is left out in `skipped` with the reason; a class that is left out counts as one test.
"""

from __future__ import annotations

import json
import sys
import unittest


class Outcomes(unittest.TestResult):
    """Keeps what passes too."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802  # unittest's name
        self.passed.append(test.id())


def chosen(tests: unittest.TestSuite, without: list[str]) -> unittest.TestSuite:
    """The same without those classes."""
    made = type(tests)()
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            made.addTest(chosen(test, without))
        elif type(test).__name__ not in without:
            made.addTest(test)
    return made


def main(arguments: list[str]) -> None:
    """Runs them in this process, one after the other."""
    split = arguments.index("--without")
    modules, without = arguments[:split], arguments[split + 1 :]
    outcomes = Outcomes()
    chosen(unittest.defaultTestLoader.loadTestsFromNames(modules), without).run(outcomes)
    failed = {test.id(): told for test, told in (*outcomes.errors, *outcomes.failures)}
    skipped = {test.id(): reason for test, reason in outcomes.skipped}
    json.dump({"passed": outcomes.passed, "failed": failed, "skipped": skipped}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
