"""Stores that hang at will, on real parts: moto and a mounted directory, whose servers are stopped."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.child import Child
from tests.support.frozen import frozen
from tests.support.moto import MotoServer
from tests.support.waiting import until

DEVICE = Path("/dev/fuse")
GATE = "gate/freeze"
"""The name of a file that does not exist; the server stops when it is asked for it. Its directory is
not the store's: the kernel looks for one name at a time in a directory, and who waits for his turn cannot be killed."""


@dataclass(frozen=True)
class Hanging:
    """A store of `driver` with these options, whose server has the process `pid`."""

    driver: str
    options: Mapping[str, object]
    pid: int
    frozen: Callable[[], contextlib.AbstractContextManager[None]]
    """Inside, the server takes what the kernel takes for it, and says nothing."""


@contextlib.contextmanager
def on_moto() -> Iterator[Hanging]:
    """The S3 API."""
    with MotoServer() as server:
        bucket = server.bucket()
        options = {
            "endpoint_url": bucket.endpoint, "bucket": bucket.name, "region": bucket.region,
            "access_key": bucket.access_key, "secret_key": bucket.secret_key,
        }  # fmt: skip
        pid = server.child.process.pid
        yield Hanging("s3", options, pid, partial(frozen, pid))


@contextlib.contextmanager
def on_a_mount() -> Iterator[Hanging]:
    """A filesystem."""
    with tempfile.TemporaryDirectory(prefix="imgstore-mount-") as name:
        root, point = Path(name) / "root", Path(name) / "point"
        for each in (point, root / "store", (root / GATE).parent):
            each.mkdir(parents=True)
        script = Path(__file__).parent / "mount" / "launch.py"
        with Child(script, str(root), str(point), str(point / GATE), name="fuse", root=Path(name)) as child:
            pid = child.process.pid
            try:
                until(lambda: os.path.ismount(point))
                yield Hanging("filesystem", {"datadir": point / "store"}, pid, partial(_stopped, point / GATE, pid))
            finally:
                subprocess.run(["umount", "--lazy", point], check=False)


@contextlib.contextmanager
def _stopped(gate: Path, pid: int) -> Iterator[None]:
    """A server that is stopped by a signal may have taken requests, and who waits for one of these cannot be killed,
    nor can its process end. So the server stops itself while it has the one request in hand that is made here."""
    with subprocess.Popen(["stat", gate], stderr=subprocess.DEVNULL):
        try:
            until(lambda: _state(pid) == "T")
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


KINDS: Mapping[str, Callable[[], contextlib.AbstractContextManager[Hanging]]] = {"s3": on_moto, "mount": on_a_mount}


def missing(kind: str) -> str | None:
    """Why a store cannot be had here."""
    has_library = any(ctypes.util.find_library(name) for name in ("fuse3", "fuse"))
    may_mount = os.access(DEVICE, os.W_OK) and os.geteuid() == 0 and shutil.which("umount")
    if kind == "mount" and not (may_mount and has_library):
        return "it needs root, /dev/fuse and libfuse"
    return None
