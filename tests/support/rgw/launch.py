"""Starts Ceph's processes in a directory that has a `ceph.conf`, and prints the gateway's port.

`python -I launch.py ROOT PORT`. They end with this process, and this process with its standard input: so
nothing survives the tests.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PATIENCE = 120.0
PR_SET_PDEATHSIG = 1
CEPH = ["/usr/bin/python3", "/usr/bin/ceph"]
"""Its command line needs the Python that Debian packages it for."""


class Cluster:
    """The processes, in the order of their start."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._conf = ["-c", str(root / "ceph.conf")]
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, port: int) -> None:
        """Returns when the gateway listens and an administrator may make users."""
        self._monitor()
        self._osd()
        (self._root / "rgw").mkdir()
        self._begin("radosgw", "-n", "client.rgw", "-f")
        _until(lambda: _listens(port) and self._alive())
        caps = ("--caps", "users=*;buckets=*")
        keys = ("--access-key=ADMINKEY", "--secret-key=adminsecret")
        self._run("radosgw-admin", "user", "create", "--uid=admin", "--display-name=admin", *keys, *caps)

    def _monitor(self) -> None:
        (self._root / "mon").mkdir()
        settings = dict(line.split(" = ", 1) for line in self._text().splitlines() if " = " in line)
        monmap = str(self._root / "monmap")
        address = ("--addv", "a", settings["mon_host"])
        subprocess.run(["monmaptool", "--create", "--fsid", settings["fsid"], *address, monmap], check=True, stdout=2)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._begin("ceph-mon", "-i", "a", "-f")

    def _osd(self) -> None:
        (self._root / "osd").mkdir()
        number = str(uuid.uuid4())
        self._run(*CEPH, "osd", "create", number)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", number)
        self._begin("ceph-osd", "-i", "0", "-f")
        self._run(*CEPH, "osd", "crush", "add", "osd.0", "1.0", "host=localhost", "root=default")

    def _begin(self, *command: str) -> None:
        with (self._root / f"{command[0]}.out").open("wb") as out:
            process = subprocess.Popen(
                [command[0], *self._conf, *command[1:]], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=_end_with_parent,
            )  # fmt: skip
        self._running.append(process)

    def _run(self, *command: str) -> None:
        subprocess.run([*command, *self._conf], check=True, stdout=2, timeout=PATIENCE)

    def _alive(self) -> bool:
        ended = [process.args for process in self._running if process.poll() is not None]
        assert not ended, f"{ended} ended"
        return True

    def _text(self) -> str:
        return (self._root / "ceph.conf").read_text()


def _end_with_parent() -> None:
    """The kernel kills the process when this one ends, however that is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def main() -> None:
    """Everything, from the start to the end of the standard input."""
    root = Path(sys.argv[1])
    try:
        Cluster(root).start(int(sys.argv[2]))
        sys.stdout.write(f"{sys.argv[2]}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
