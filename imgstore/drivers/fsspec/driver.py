"""A store on a filesystem of fsspec's.

What holds depends on the filesystem; doc/fsspec.md has the table. A filesystem that renames gets whole files; object
storage gets uploads that are ended. One that can do neither is refused.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, bad, check_key, is_key
from imgstore.drivers.fsspec import naming
from imgstore.drivers.fsspec.filesystems import Filesystems, renames
from imgstore.drivers.fsspec.infos import base_name, described, is_file, modified, size_of
from imgstore.drivers.fsspec.options import FsspecOptions
from imgstore.drivers.fsspec.place import Notes, place_of
from imgstore.drivers.fsspec.reader import FsspecReader, body_of
from imgstore.drivers.fsspec.writer import FileWriter
from imgstore.model import Leftover, ObjectInfo, Place

if TYPE_CHECKING:
    from oslo_config import cfg

_CONTENT = b"imgstore"
T = TypeVar("T")


class FsspecDriver(StoreDriver):
    """Objects in a filesystem of fsspec. The parameters are those of `FsspecOptions`. Raises ConfigurationError for bad
    values. If the filesystem can rename, this becomes a `StagingDriver`, which finds the leftovers."""

    OPTIONS: ClassVar[Sequence[cfg.Opt]] = FsspecOptions.options()

    def __init__(self, **options: Any) -> None:
        self._options = FsspecOptions(**options)
        self._protocol = self._options.protocol
        self._filesystems = Filesystems(self._options)
        self._root = str(self._filesystems.cls._strip_protocol(self._options.url)).rstrip("/")
        self._base = self._options.url.rstrip("/") + "/"
        self._notes = Notes(self._filesystems, self._protocol, self._root)
        if self._protocol not in naming.KNOWN and not renames(self._filesystems.cls):
            raise bad("url", f"fsspec cannot rename a file of '{self._protocol}'.", "Use a filesystem that can.")
        if self._staged:
            self.__class__ = StagingDriver

    @property
    def _staged(self) -> bool:
        return self._protocol not in naming.OBJECT_STORAGE

    @property
    def place(self) -> Place:
        """The directory on its server."""
        return place_of(self._protocol, self._options.url, self._root, self._filesystems.arguments)

    def check(self) -> None:
        """The directory is there, and a small hidden file can be written, read and removed."""
        self.expect_place()
        if self._protocol not in naming.FLAT:
            self._expect_directory()
        path = f"{self._root}/{naming.PROBE}{secrets.token_hex(8)}"
        if self._filesystems.call("checking the store", partial(_proved, path)) != _CONTENT:
            raise errors.IntegrityError("The store does not give back what was written.")

    def _expect_directory(self) -> None:
        try:
            self._filesystems.call("looking at the directory", lambda fs: fs.info(self._root))
        except errors.ObjectNotFound:
            raise bad("url", "the directory is not there.", "For a new store: imgstore check --create.") from None

    def read_mark(self) -> str | None:
        """See HasPlace."""
        return self._notes.read_mark()

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """See HasPlace."""
        return self._notes.write_mark(mark, replace=replace)

    def read_epoch(self) -> int:
        """See KeepsEpoch."""
        return self._notes.read_epoch()

    def write_epoch(self, epoch: int) -> None:
        """See KeepsEpoch."""
        self._notes.write_epoch(epoch)

    def url(self, key: str) -> str:
        """The option's, and the key behind it."""
        return self._base + check_key(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver."""
        if not url.startswith(self._base):
            raise errors.InvalidKey("Not the URL of an object in this store.")
        return check_key(url[len(self._base) :])

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        self.expect_place()
        found = [info for info in self._listed() if is_key(base_name(info))]
        return (described(base_name(info), info) for info in found)

    def close(self) -> None:
        """See StoreDriver."""
        self._filesystems.close()

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return FileWriter(
            self._filesystems, self._protocol, self._root, key, staged=self._staged, patience=self._options.patience
        )

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        info = self._stat(key)
        fetch = partial(body_of(self._protocol), self._filesystems, self._at(key), info)
        end = info.size if stop is None else min(stop, info.size)
        return FsspecReader(fetch, info, min(start, end), end, patience=self._options.patience)

    def _stat(self, key: str) -> ObjectInfo:
        info = self._filesystems.call("looking up an object", lambda fs: fs.info(self._at(key)))
        if not is_file(info):
            raise errors.ObjectNotFound("No object is there under that key.")
        return described(key, info)

    def _delete(self, key: str) -> None:
        self._stat(key)
        self._filesystems.call("deleting", lambda fs: fs.rm_file(self._at(key)))

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _listed(self) -> list[Mapping[str, Any]]:
        """The files of the directory. One that is missing is not empty, unless there are none."""
        try:
            found = self._filesystems.call("listing", lambda fs: fs.ls(self._root or "/", detail=True))
        except errors.ObjectNotFound:
            if self._protocol in naming.FLAT:
                return []
            raise errors.StoreUnavailable("Image storage is not available: its directory is missing.") from None
        return [info for info in found if is_file(info)]


class StagingDriver(FsspecDriver):
    """The same on a filesystem that renames: an interrupted upload leaves a hidden file."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers."""
        self.expect_place()
        newest = time.time() - older_than
        return (_leftover(info) for info in self._hidden() if older_than <= 0 or (modified(info) or 0.0) <= newest)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers. Raises InvalidKey for a name that is not a leftover's."""
        if naming.key_of(leftover.name) is None:
            raise errors.InvalidKey("That is not the name of a leftover.")
        self.expect_place()
        self._discard(leftover.name)

    def clear_leftovers(self, key: str) -> None:
        """See ClearsLeftovers."""
        check_key(key)
        self.expect_place()
        for info in self._hidden():
            if naming.key_of(base_name(info)) == key:
                self._discard(base_name(info))

    def _hidden(self) -> list[Mapping[str, Any]]:
        return [info for info in self._listed() if naming.key_of(base_name(info)) is not None]

    def _discard(self, name: str) -> None:
        remove: Callable[[Any], None] = partial(_removed, self._at(name))
        self._filesystems.call("removing a leftover", remove)


def _proved(path: str, filesystem: Any) -> bytes:
    try:
        with filesystem.open(path, "wb") as file:
            file.write(_CONTENT)
        return bytes(filesystem.cat_file(path))
    finally:
        _removed(path, filesystem)


def _removed(path: str, filesystem: Any) -> None:
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return


def _leftover(info: Mapping[str, Any]) -> Leftover:
    name = base_name(info)
    reason = "an upload that was not committed"
    return Leftover(name, reason, size_of(info), modified(info), naming.key_of(name))
