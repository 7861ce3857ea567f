"""Stores that hang at will, on real parts: moto and a mounted directory, whose servers are stopped."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.child import Child
from tests.support.frozen import frozen
from tests.support.moto import MotoServer

DEVICE = Path("/dev/fuse")


@dataclass(frozen=True)
class Hanging:
    """A store of `driver` with these options, whose server has the process `pid`."""

    driver: str
    options: Mapping[str, object]
    pid: int

    def frozen(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the server takes what the kernel takes for it, and says nothing."""
        return frozen(self.pid)


@contextlib.contextmanager
def on_moto() -> Iterator[Hanging]:
    """The S3 API."""
    with MotoServer() as server:
        bucket = server.bucket()
        options = {
            "endpoint_url": bucket.endpoint, "bucket": bucket.name, "region": bucket.region,
            "access_key": bucket.access_key, "secret_key": bucket.secret_key,
        }  # fmt: skip
        yield Hanging("s3", options, server.child.process.pid)


@contextlib.contextmanager
def on_a_mount() -> Iterator[Hanging]:
    """A filesystem."""
    with tempfile.TemporaryDirectory(prefix="imgstore-mount-") as name:
        root, point = Path(name) / "root", Path(name) / "point"
        root.mkdir()
        point.mkdir()
        script = Path(__file__).parent / "mount" / "launch.py"
        with Child(script, str(root), str(point), name="fuse", root=Path(name)) as child:
            while not os.path.ismount(point):
                time.sleep(0.01)
            try:
                yield Hanging("filesystem", {"datadir": point}, child.process.pid)
            finally:
                subprocess.run(["umount", "--lazy", point], check=False)


KINDS: Mapping[str, Callable[[], contextlib.AbstractContextManager[Hanging]]] = {"s3": on_moto, "mount": on_a_mount}


def missing(kind: str) -> str | None:
    """Why a store cannot be had here."""
    has_library = any(ctypes.util.find_library(name) for name in ("fuse3", "fuse"))
    may_mount = os.access(DEVICE, os.W_OK) and os.geteuid() == 0 and shutil.which("umount")
    if kind == "mount" and not (may_mount and has_library):
        return "it needs root, /dev/fuse and libfuse"
    return None
