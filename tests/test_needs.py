"""What a run of the tests leaves out, and what it refuses: missing programs, and servers in `make check`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

NEEDING = """
from tests.needs import needs

@needs("no-such-program", why="it is asked for")
def test_needing():
    pass

@needs("python3", why="it is there")
def test_met():
    pass
"""
STARTING = """
import os, socket, subprocess, sys

def test_marked():
    subprocess.run(["true"], check=True)

def test_process():
    getattr(sys.modules["sub" + "process"], "run")(["true"], check=True)

def test_socket():
    getattr(socket.socket(), "bi" + "nd")(("127.0.0.1", 0))

def test_plain():
    pass
"""


def run_session(folder: Path, text: str, *options: str, ci: str = "") -> str:
    """Runs the module with the hooks of the whole suite; what it printed."""
    (folder / "test_module.py").write_text(text)
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        os.devnull,
        "-p",
        "tests.hooks",
        "-p",
        "xdist",
        *options,
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("--numprocesses=2",)], ids=["one process", "two"])
def test_left_out_tests_are_named_with_reason_and_cure(tmp_path: Path, options: tuple[str, ...]) -> None:
    told = run_session(tmp_path, NEEDING, *options)
    assert "1 passed" in told
    assert "1 tests left out: no-such-program is missing (it is asked for); cure: install no-such-program" in told


def test_continuous_integration_refuses_to_leave_out(tmp_path: Path) -> None:
    told = run_session(tmp_path, NEEDING, ci="true")
    assert "1 passed, 1 error" in told
    assert "no-such-program is missing" in told


def test_check_leaves_out_what_starts_something_and_fails_what_hides_it(tmp_path: Path) -> None:
    told = run_session(tmp_path, STARTING, "-m", "not server and not long")
    assert "2 failed, 1 passed, 1 deselected" in told
    assert "subprocess.Popen in a test of `make check`" in told
    assert "socket.bind in a test of `make check`" in told
