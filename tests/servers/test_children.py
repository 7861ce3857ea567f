"""What the tests start goes with the tests, even if these are killed with all their process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
SERVERS = {"swift": "tests.support.swift import SwiftServer", "moto": "tests.support.moto import MotoServer"}


@pytest.mark.parametrize("name", SERVERS)
def test_killed_tests_leave_neither_process_nor_file(name: str) -> None:
    imported = SERVERS[name]
    script = f"from {imported} as Server\nwith Server() as server:\n    child = server.child\n"
    script += "    print(child.process.pid, child.log_file.parent, flush=True)\n    input()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as tests:  # fmt: skip
        assert tests.stdout is not None
        pid, root = tests.stdout.readline().split()
        assert Path(root).is_dir()
        os.killpg(tests.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while Path(root).exists() or Path("/proc", pid).exists():
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.05)
