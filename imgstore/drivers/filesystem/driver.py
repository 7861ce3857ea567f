"""The filesystem driver: objects are files `datadir/<key>`, flat, as glance_store's filesystem driver leaves them.

What it promises: an object appears under its key whole and durable or not at all, and never replaces another
(`writer`, `staging`); no operation leaves the datadir, and only regular files are objects (`directory`);
what a dead process left has a hidden name and is told from what a living one writes (`leftovers`); a full disk is
StoreFull, a failing or missing one StoreUnavailable.

Memory: per upload, nothing besides the caller's chunk, and for one past the page cache (`direct`) at most
`BUFFERS.count * BUFFERS.size` bytes; per download, one chunk of min(`chunk_size`, what the caller asks for) bytes.
Descriptors: two per upload (the datadir and the staged file), one per download. Threads: one for each upload past the
page cache, which ends before its `commit` or `abort` returns.
"""

from __future__ import annotations

import contextlib
import os
import stat
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from imgstore import errors
from imgstore.driver import StoreDriver, check_key, is_key
from imgstore.driver.capacity import CapacityAccount
from imgstore.driver.forks import ProcessLock
from imgstore.driver.translate import storage_failures
from imgstore.drivers.filesystem import check, leftovers, place, staging
from imgstore.drivers.filesystem.direct import Buffers, wanted
from imgstore.drivers.filesystem.directory import Directory, info_of
from imgstore.drivers.filesystem.options import AUTO, Settings
from imgstore.drivers.filesystem.output import FileOutput
from imgstore.drivers.filesystem.page_cache import CacheShare, Claim
from imgstore.drivers.filesystem.reader import FileReader
from imgstore.drivers.filesystem.space import Reserve, expect_room, room
from imgstore.drivers.filesystem.staging import Staged, Staging
from imgstore.drivers.filesystem.writer import FileWriter, PastTheCache
from imgstore.model import Leftover, ObjectInfo, Place, Space
from imgstore.quota import Hold


class FilesystemDriver(StoreDriver):
    """Objects as files in one directory. The parameters are the fields of `options.Settings`. Raises
    ConfigurationError for bad values.

    `STAGINGS`: the ways to stage a file, best first; the first that the filesystem takes is used. `BUFFERS`: where and
    by how much a file goes past the page cache, if `direct_io` lets it. `CACHE`: what all stores of this process may
    have in the page cache.
    """

    OPTIONS = Settings.options()
    STAGINGS: ClassVar[Sequence[Staging]] = (staging.unnamed, staging.named)
    BUFFERS: ClassVar[Buffers] = Buffers()
    CACHE: ClassVar[CacheShare] = CacheShare()

    def __init__(self, **options: Any) -> None:
        self._settings = Settings(**options)
        self._url_prefix = f"file://{urllib.parse.quote(os.fsencode(self._settings.datadir))}/"
        self._lock = ProcessLock()
        self._staging: Staging | None = None
        self._whereabouts = place.Whereabouts(self._settings.datadir)
        self._mark_watch = place.MarkWatch()
        self._account = CapacityAccount(self._settings.capacity, self.objects)

    def check(self) -> None:
        """Proves that objects can be stored in the datadir, which must be there."""
        with storage_failures("checking the store"):
            check.expect_datadir(self._settings)
            with self._open() as directory:
                check.prove(directory, self._chosen_staging(directory), self._settings)

    @property
    def place(self) -> Place:
        """The directory, whatever path leads to it."""
        return self._whereabouts.place()

    def read_mark(self) -> str | None:
        """What is in its file `.imgstore-place`."""
        with storage_failures("reading the mark"):
            return place.read_mark(self._settings.datadir)

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """Creates the datadir where it is missing, and what leads to it."""
        with storage_failures("marking the place"):
            (check.expect_datadir if replace else check.make_datadir)(self._settings)
            with Directory(self._settings.datadir) as directory:
                return place.write_mark(directory, mark, mode=self._settings.file_permissions, replace=replace)

    def read_epoch(self) -> int:
        """What is in its file `.imgstore-epoch`."""
        with storage_failures("reading the epoch"), self._open() as directory:
            return place.read_epoch(directory)

    def write_epoch(self, epoch: int) -> None:
        """Writes that file anew."""
        with storage_failures("noting the epoch"), self._open() as directory:
            place.write_epoch(directory, epoch, mode=self._settings.file_permissions)

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
                if stat.S_ISREG(status.st_mode) and is_key(name):
                    yield info_of(name, status)

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers."""
        with storage_failures("listing leftovers"), self._open() as directory:
            yield from leftovers.find(directory, older_than=older_than)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers. Raises InvalidKey for a name that is not a leftover's."""
        with storage_failures("removing a leftover"), self._open() as directory:
            leftovers.remove(directory, leftover)

    def clear_leftovers(self, key: str) -> None:
        """See ClearsLeftovers."""
        check_key(key)
        with storage_failures("removing the leftovers of an upload"), self._open() as directory:
            leftovers.clear_leftovers(directory, key)

    @property
    def capacity(self) -> int | None:
        """See HasCapacity."""
        return self._settings.capacity

    def space(self) -> Space:
        """See MeasuresSpace."""
        with storage_failures("measuring the space"), self._open() as directory:
            return self._account.within(room(directory.fd, self._settings.free_space_reserve))

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self._account.reserve(size)

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(self._open())
            if directory.taken(key):
                raise errors.ObjectExists("An object with that key exists already.")
            expect_room(directory.fd, self._settings.free_space_reserve, self._wanted(size))
            staged = self._chosen_staging(directory)(directory, key, self._settings.file_permissions)
            undo.pop_all()
        return self._writer(key, directory, staged, size)

    def _wanted(self, size: int | None) -> int:
        """The room that an upload needs for certain. How much of a thin file is written is not known before."""
        known = 1 if size is None else size
        return min(1, known) if self._settings.thin_provisioning else known

    def _writer(self, key: str, directory: Directory, staged: Staged, size: int | None) -> FileWriter:
        settings = self._settings
        reserve = Reserve(directory.fd, settings.free_space_reserve) if settings.free_space_reserve else None
        output = FileOutput(staged, reserve=reserve, thin=settings.thin_provisioning, early=settings.fsync)
        past = self._past_the_cache(staged.identity[0], size)
        return FileWriter(key, directory=directory, output=output, past=past, fsync=settings.fsync)

    def _past_the_cache(self, device: int, size: int | None) -> PastTheCache | None:
        choice = self._settings.direct_io
        if not wanted(choice, fsync=self._settings.fsync, device=device):
            return None
        return PastTheCache(self.BUFFERS, Claim(self.CACHE, size) if choice == AUTO else None)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> FileReader:
        with self._open() as directory:
            fd, status = directory.open_regular(key)
        return FileReader(fd, info_of(key, status), start=start, chunk_size=self._settings.chunk_size)

    def _stat(self, key: str) -> ObjectInfo:
        with self._open() as directory:
            return info_of(key, directory.regular(key))

    def _delete(self, key: str) -> None:
        self._account.open()
        with self._open() as directory, contextlib.ExitStack() as durable:
            if self._settings.fsync:
                # A missing name, too: who removed it may have failed to sync, or died before, in whatever process.
                durable.callback(directory.sync)
            self._account.give_back(_unlinked(directory, key))

    def _open(self) -> Directory:
        """The datadir, if it is the right one."""
        self.expect_place()
        directory = Directory(self._settings.datadir)
        if self.mark is not None:
            with contextlib.ExitStack() as undo:
                undo.callback(directory.close)
                self._mark_watch.expect(directory, self.mark)
                undo.pop_all()
        return directory

    def _chosen_staging(self, directory: Directory) -> Staging:
        with self._lock:
            if self._staging is None:
                self._staging = staging.first_that_works(directory, self.STAGINGS)
            return self._staging


def _unlinked(directory: Directory, key: str) -> int:
    """Removes an object's name; returns the object's bytes. Raises ObjectNotFound."""
    status = directory.regular(key)
    try:
        directory.unlink(key)
    except FileNotFoundError as error:
        raise errors.ObjectNotFound("No object has that key.") from error
    return status.st_size
