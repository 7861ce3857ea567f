"""Tests that need a missing program are left out loudly, and never in continuous integration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULE = """
from tests.needs import needs

@needs("{program}", why="it is asked for")
def test_needing():
    pass

def test_plain():
    pass
"""


def run_session(folder: Path, program: str, *options: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "test_module.py").write_text(MODULE.format(program=program))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", *options, str(folder)],
        cwd=folder, env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


in_one_process_and_in_two = pytest.mark.parametrize("options", [(), ("--numprocesses=2",)], ids=["one", "two"])


@in_one_process_and_in_two
def test_left_out_tests_are_named_with_reason_and_cure(tmp_path: Path, options: tuple[str, ...]) -> None:
    session = run_session(tmp_path, "no-such-program", *options)
    assert session.returncode == 0, session.stdout
    assert "1 passed" in session.stdout
    line = "1 tests left out: no-such-program is missing (it is asked for); cure: install no-such-program"
    assert line in session.stdout


@in_one_process_and_in_two
def test_continuous_integration_refuses_to_leave_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    session = run_session(tmp_path, "no-such-program", *options, ci="true")
    assert session.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no-such-program is missing" in session.stderr + session.stdout


@in_one_process_and_in_two
def test_met_need_changes_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    session = run_session(tmp_path, sys.executable, *options, ci="true")
    assert session.returncode == 0, session.stdout
    assert "2 passed" in session.stdout
