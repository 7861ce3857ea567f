"""What the tests start goes with the tests, even if these are killed with all their process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.moto import MotoServer
from tests.support.swift import SwiftServer
from tests.support.waiting import until

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
    until(lambda: not Path(root).exists() and not Path("/proc", pid).exists())


@pytest.mark.parametrize("server", [SwiftServer, MotoServer])
def test_stopped_server_leaves_neither_process_nor_file(server: type[SwiftServer] | type[MotoServer]) -> None:
    with server() as running:
        pid, root = running.child.process.pid, running.child.log_file.parent
        assert root.is_dir()
        assert Path(f"/proc/{pid}").exists()
        if isinstance(running, MotoServer):  # a large object is a file, and not in its memory
            assert running.bucket().request("PUT", "/large", body=bytes(20_000_000)).status == 200
    assert not root.exists()
    assert not Path(f"/proc/{pid}").exists()
