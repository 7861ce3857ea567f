"""Run by the Python of mfusepy's environment: mounts a directory at a mount point, and passes everything through.

Its gate is the path of a file there that does not exist. Who asks for it stops this process, which has one thread, and
so no other request in hand then.

It prints 0, a line, once it is about to mount. It ends when its standard input does, and unmounts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from mfusepy import FUSE, Operations  # type: ignore[import-not-found]  # it is in that environment only

ATTRIBUTES = (
    "st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_atime_ns", "st_mtime_ns",
    "st_ctime_ns",
)  # fmt: skip


class Passed(Operations):  # type: ignore[misc]  # it has no type there
    """Every operation is done below `root`. Files are their descriptors."""

    use_ns = True

    def __init__(self, root: str, gate: str) -> None:
        self._root = root
        self._gate = gate

    def _at(self, path: str) -> str:
        return self._root + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == self._gate:
            os.kill(os.getpid(), signal.SIGSTOP)
        status = os.lstat(self._at(path)) if fh is None else os.fstat(fh)
        return {name.removesuffix("_ns"): getattr(status, name) for name in ATTRIBUTES}

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, Any], int]]:
        # The number too: without it the name is not listed.
        with os.scandir(self._at(path)) as found:
            return [(entry.name, {"st_ino": entry.inode()}, 0) for entry in found]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def link(self, target: str, source: str) -> None:
        os.link(self._at(source), self._at(target))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._at(old), self._at(new))

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._at(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._at(path), mode)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        os.utime(self._at(path), ns=times)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._at(path) if fh is None else fh, length)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}


def main(root: str, point: str, gate: str) -> None:
    """Serves until standard input ends."""

    def unmount() -> None:
        sys.stdin.read()
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "--lazy", point], check=False)

    threading.Thread(target=unmount, daemon=True).start()
    sys.stdout.write("0\n")
    sys.stdout.flush()
    FUSE(Passed(root, gate.removeprefix(point)), point, foreground=True, nothreads=True, use_ino=True, allow_other=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
