"""The filesystem driver: objects are files `datadir/<key>`, flat, as glance_store's filesystem driver leaves them.

What it promises: an object appears under its key whole and durable or not at all, and never replaces another
(`writer`, `staging`); no operation leaves the datadir, and only regular files are objects (`directory`);
what a dead process left has a hidden name and is told from what a living one writes (`leftovers`); a full disk is
StoreFull, a failing or missing one StoreUnavailable.

Memory (law 6): per upload, nothing besides the caller's chunk, and for one past the page cache (`direct`) at most
`BUFFERS.count * BUFFERS.size` bytes; per download, one chunk of min(`chunk_size`, what the caller asks for) bytes.
Descriptors: two per upload (the datadir and the staged file), one per download. Threads: one for each upload past the
page cache, which ends before its `commit` or `abort` returns.

What it refuses to do: follow a symbolic link, hold a path in an error's message, share the count of `capacity` with
another process.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import ClassVar

from imgstore import errors
from imgstore.driver.base import StoreDriver, check_key
from imgstore.driver.translate import storage_failures
from imgstore.drivers.filesystem import check as fs_check
from imgstore.drivers.filesystem import direct as fs_direct
from imgstore.drivers.filesystem import options, staging
from imgstore.drivers.filesystem import space as fs_space
from imgstore.drivers.filesystem.directory import Directory, info_of
from imgstore.drivers.filesystem.output import FileOutput
from imgstore.drivers.filesystem.reader import FileReader
from imgstore.drivers.filesystem.staging import Staged, Staging
from imgstore.drivers.filesystem.writer import FileWriter
from imgstore.model import Leftover, ObjectInfo, Space
from imgstore.quota import Account, Hold, capacity_refusal


class FilesystemDriver(StoreDriver):
    """Objects as files in one directory. See OPTIONS for the parameters. Raises ConfigurationError for bad values.

    `STAGINGS`: the ways to stage a file, best first; the first that the filesystem takes is used. `BUFFERS`: where and
    by how much a file goes past the page cache, if `direct_io` lets it.
    """

    OPTIONS = options.OPTIONS
    STAGINGS: ClassVar[Sequence[Staging]] = (staging.unnamed, staging.named)
    BUFFERS: ClassVar[fs_direct.Buffers] = fs_direct.Buffers()

    def __init__(
        self,
        *,
        datadir: str,
        file_mode: str = options.FILE_MODE,
        directory_mode: str = options.DIRECTORY_MODE,
        chunk_size: int = options.CHUNK_SIZE,
        fsync: bool = True,
        direct_io: str = fs_direct.AUTO,
        thin_provisioning: bool = False,
        free_space_reserve: int = 0,
        capacity: int | None = None,
    ) -> None:
        self._settings = options.checked(
            datadir=datadir, file_mode=file_mode, directory_mode=directory_mode, chunk_size=chunk_size, fsync=fsync,
            direct_io=direct_io, thin_provisioning=thin_provisioning, free_space_reserve=free_space_reserve,
            capacity=capacity,
        )  # fmt: skip
        self._url_prefix = f"file://{urllib.parse.quote(os.fsencode(self._settings.datadir))}/"
        self._lock = threading.Lock()
        self._staging: Staging | None = None
        self._account: Account | None = None

    def check(self) -> None:
        """See StoreDriver. Creates the datadir where it is missing."""
        with storage_failures("checking the store"):
            fs_check.make_datadir(self._settings)
            with self._open() as directory:
                fs_check.prove(directory, self._chosen_staging(directory), self._settings)

    def url(self, key: str) -> str:
        """See StoreDriver: `file:///datadir/key`."""
        return self._url_prefix + check_key(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver. A key needs no quoting, so there is one spelling only and nothing to decode."""
        if not url.startswith(self._url_prefix):
            raise errors.InvalidKey("The URL is not of an object in this store.")
        return check_key(url[len(self._url_prefix) :])

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        with storage_failures("listing objects"), self._open() as directory:
            for name, status in directory.entries():
                if stat.S_ISREG(status.st_mode) and _is_key(name):
                    yield info_of(name, status)

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers."""
        newest = time.time() - older_than
        with storage_failures("listing leftovers"), self._open() as directory:
            for name, status in directory.entries():
                if not staging.is_hidden(name) or status.st_mtime > newest:
                    continue
                with staging.unowned(directory, name) as free:
                    found = free
                if found:
                    key = staging.key_of(name)
                    yield Leftover(name, "an upload that ended with its process", status.st_size, status.st_mtime, key)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers. Raises InvalidKey for a name that is not a leftover's."""
        if not staging.is_hidden(leftover.name):
            raise errors.InvalidKey("That is not the name of a leftover.")
        with (
            storage_failures("removing a leftover"),
            self._open() as directory,
            staging.unowned(directory, leftover.name) as free,
        ):
            if free:
                directory.discard(leftover.name)

    def remove_traces(self, key: str) -> None:
        """See RemovesTraces: also of a process that is frozen, and holds its lock."""
        check_key(key)
        with storage_failures("removing the traces of an upload"), self._open() as directory:
            for name in directory.names():
                if staging.key_of(name) == key:
                    directory.discard(name)

    def space(self) -> Space:
        """See MeasuresSpace."""
        with storage_failures("measuring the space"), self._open() as directory:
            room = fs_space.room(directory.fd, self._settings.free_space_reserve)
            account = self._opened_account()
        if account is None or account.limit is None:
            return room
        left = max(0, account.limit - account.used - account.held)
        return Space(total=_least(room.total, account.limit), free=_least(room.free, left))

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        account = self._opened_account()
        return None if account is None else account.reserve(size)

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(self._open())
            if directory.taken(key):
                raise errors.ObjectExists("An object with that key exists already.")
            fs_space.expect_room(directory.fd, self._settings.free_space_reserve, self._wanted(size))
            staged = self._chosen_staging(directory)(directory, key, self._settings.file_mode)
            undo.pop_all()
        return self._writer(key, directory, staged)

    def _wanted(self, size: int | None) -> int:
        """The room that an upload needs for certain. How much of a thin file is written is not known before."""
        known = 1 if size is None else size
        return min(1, known) if self._settings.thin_provisioning else known

    def _writer(self, key: str, directory: Directory, staged: Staged) -> FileWriter:
        settings = self._settings
        guard = fs_space.ReserveGuard(directory.fd, settings.free_space_reserve)
        direct = fs_direct.wanted(settings.direct_io, fsync=settings.fsync, device=staged.identity[0])
        return FileWriter(
            key,
            directory=directory,
            staged=staged,
            output=FileOutput(staged, guard, thin=settings.thin_provisioning),
            direct=self.BUFFERS if direct else None,
            fsync=settings.fsync,
        )

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> FileReader:
        with self._open() as directory:
            fd, status = directory.open_regular(key)
        return FileReader(fd, info_of(key, status), start=start, chunk_size=self._settings.chunk_size)

    def _stat(self, key: str) -> ObjectInfo:
        with self._open() as directory:
            return info_of(key, directory.regular(key))

    def _delete(self, key: str) -> None:
        # Before the file goes: a sum that is begun later must not miss it and then have it given back.
        account = self._opened_account()
        with self._open() as directory:
            status = directory.regular(key)
            try:
                directory.unlink(key)
            except FileNotFoundError as error:
                raise errors.ObjectNotFound("No object has that key.") from error
            if account is not None:
                account.give_back(status.st_size)
            if self._settings.fsync:
                directory.sync()

    def _open(self) -> Directory:
        return Directory(self._settings.datadir)

    @property
    def capacity(self) -> int | None:
        """See HasCapacity."""
        return self._settings.capacity

    def _chosen_staging(self, directory: Directory) -> Staging:
        with self._lock:
            if self._staging is None:
                self._staging = staging.first_that_works(directory, self.STAGINGS)
            return self._staging

    def _opened_account(self) -> Account | None:
        """The capacity's account, opened at the first use with what the datadir holds; None without a capacity."""
        if self._settings.capacity is None:
            return None
        with self._lock:
            if self._account is None:
                used = sum(info.size for info in self.objects())
                self._account = Account(self._settings.capacity, used=used, refusal=capacity_refusal)
            return self._account


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except errors.InvalidKey:
        return False
    return True


def _least(size: int | None, limit: int) -> int:
    return limit if size is None else min(size, limit)
