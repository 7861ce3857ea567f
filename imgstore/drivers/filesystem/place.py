"""The datadir as a place: which directory it is, whatever leads there, and the mark in it.

A symbolic link, `/x/.` and a bind mount lead to one place: it is told by the filesystem and the path in it. A mount
that hangs in the kernel does not hold up who asks (contained): then the place is told by the path as it is written.
Every use of the datadir looks at the mark by one system call; only a mark that changed is read again.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

from imgstore import errors
from imgstore.driver.forks import OfOneProcess
from imgstore.driver.place import (
    EPOCH_NAME,
    LONGEST,
    MARK_NAME,
    epoch_in,
    expect,
    mark_in,
    text_of,
    text_of_epoch,
)  # fmt: skip
from imgstore.drivers.filesystem import staging
from imgstore.drivers.filesystem.directory import Directory, close_quietly
from imgstore.model import Place
from imgstore.side_by_side import begun

KIND = "filesystem"
LOOK_SECONDS = 2.0
"""For the links on the way to a datadir."""
_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted filesystem: its device, which of its directories is mounted, and where."""

    device: str
    root: str
    point: str


class Whereabouts(OfOneProcess):
    """Finds out which place a datadir is, or would be where it is missing. One thread at a time looks."""

    def __init__(self, datadir: str) -> None:
        super().__init__()
        self._datadir = datadir
        self._looking: Future[str] | None = None

    def place(self) -> Place:
        """As it is now. Waits LOOK_SECONDS at most. A disk that does not answer, or answers with an error, is that of a
        store that is down, and stops no start."""
        looking = self._looking
        if looking is None or looking.done():
            looking = self._looking = begun("imgstore-place", partial(os.path.realpath, self._datadir))
            wait([looking], LOOK_SECONDS)
        real = os.path.abspath(self._datadir)
        if looking.done():
            with contextlib.suppress(OSError):
                real = looking.result()
        return _place_at(real, self._datadir)

    def _forked(self) -> None:
        self._looking = None


def _place_at(real: str, datadir: str) -> Place:
    mount = max(_mounts_over(real), key=lambda found: len(found.point), default=Mount("", "/", "/"))
    inside = os.path.join(mount.root, os.path.relpath(real, mount.point))
    return Place(KIND, (mount.device,), tuple(os.path.normpath(inside).strip("/").split("/")), datadir)


def read_mark(datadir: str) -> str | None:
    """The mark in the datadir; None for none, and where there is no datadir. Raises OSError."""
    try:
        with Directory(datadir) as directory:
            return _mark_in(directory)
    except FileNotFoundError:
        return None


def write_mark(directory: Directory, mark: str, *, mode: int, replace: bool) -> str:
    """Leaves `mark` in the directory, durable, unless it has one; `replace`: instead of any. Returns what it has then.
    Raises OSError."""
    staged = staging.named(directory, "place", mode)
    try:
        _write_whole(staged.fd, text_of(mark))
        if replace:
            staged.rename(MARK_NAME)  # at no moment the place has no mark
        else:
            with contextlib.suppress(FileExistsError):
                staged.link(MARK_NAME)
    finally:
        staged.discard()
    directory.sync()
    found = _mark_in(directory)
    if found is None:
        raise errors.WrongPlace(f"What has the name {MARK_NAME} in the datadir is not a mark.")
    return found


def read_epoch(directory: Directory) -> int:
    """The epoch in the directory; 0 for none. Raises OSError."""
    return epoch_in(_content(directory, EPOCH_NAME) or b"")


def write_epoch(directory: Directory, epoch: int, *, mode: int) -> None:
    """Notes it, durable, in place of another. Raises OSError."""
    staged = staging.named(directory, "epoch", mode)
    try:
        _write_whole(staged.fd, text_of_epoch(epoch))
        staged.rename(EPOCH_NAME)
    finally:
        staged.discard()
    directory.sync()


def _write_whole(fd: int, text: bytes) -> None:
    """Durable. A disk that runs full takes a part, and says so at the next write."""
    while text:
        text = text[os.write(fd, text) :]
    os.fsync(fd)


class MarkWatch:
    """Looks at the mark of an open directory. One for each driver, used by all its threads."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] | None = None

    def expect(self, directory: Directory, mark: str) -> None:
        """Raises WrongPlace unless the directory has the mark."""
        status = directory.status(MARK_NAME)
        seen = None if status is None else (mark, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        if seen is None or seen != self._seen:
            expect(mark, _mark_in(directory))
            self._seen = seen


def _mark_in(directory: Directory) -> str | None:
    text = _content(directory, MARK_NAME)
    return None if text is None else mark_in(text)


def _content(directory: Directory, name: str) -> bytes | None:
    try:
        fd, _ = directory.open_regular(name)
    except errors.ObjectNotFound:
        return None
    try:
        return os.pread(fd, LONGEST, 0)
    finally:
        close_quietly(fd)


def _mounts_over(real: str) -> Iterator[Mount]:
    """The mounts that `real` is in; of two at one point the later one is seen, so it comes first."""
    with contextlib.suppress(OSError), open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
        for line in reversed(list(lines)):
            mount = _mount(line)
            if mount.point == "/" or f"{real}/".startswith(f"{mount.point}/"):
                yield mount


def _mount(line: str) -> Mount:
    fields = [_ESCAPED.sub(lambda match: chr(int(match[1], 8)), field) for field in line.split(" ")]
    return Mount(device=fields[2], root=fields[3], point=fields[4])
