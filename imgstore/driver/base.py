"""The SPI: what a store driver implements, and the rules that every driver keeps because they are written here.

A driver subclasses `StoreDriver`, `ObjectWriter` and `ObjectReader` and implements the hooks with an underscore. The
methods without one are final: they validate keys and ranges, count and compare every byte, keep the state of a
writer, refuse a read that ends short, and turn whatever a driver raises into the library's errors.

One driver instance serves one store and is called from many threads; a writer or reader belongs to one thread at a
time.
"""

from __future__ import annotations

import contextlib
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, final

from imgstore import errors
from imgstore.driver import place
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.reader import READ_SIZE, EmptyReader, ObjectReader
from imgstore.driver.signatures import expect_info, expect_kind
from imgstore.driver.translate import OnFailure, asking_failures, nothing_is_missing, refuse_overrides, storage_failures
from imgstore.driver.writer import Admission, ObjectWriter, WriterState, refuse_too_large
from imgstore.model import ObjectInfo
from imgstore.quota import Hold
from imgstore.undo import describe

if TYPE_CHECKING:
    from oslo_config import cfg

__all__ = ["READ_SIZE", "ObjectReader", "ObjectWriter", "StoreDriver", "WriterState", "check_key", "is_key"]

LOG = logging.getLogger(__name__)

_DRIVER_FINAL = frozenset(
    {
        "open_writer",
        "open_reader",
        "stat",
        "delete",
        "expect_mark",
        "expect_objects",
        "expect_adoption",
        "expect_any_place",
        "expect_place",
        "prove_place",
    }
)
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)


def check_key(key: str) -> str:
    """Returns `key` if any store may be asked for it: 1 to 200 of `A-Za-z0-9._-`, not starting with a dot.

    Such a name is one path component on every filesystem and needs no quoting in any URL. Raises InvalidKey.
    """
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise errors.InvalidKey("A key is 1 to 200 of A-Z a-z 0-9 . _ - and does not start with a dot.")
    return key


def is_key(name: str) -> bool:
    """Whether any store may be asked for `name`."""
    return _KEY.fullmatch(name) is not None


class StoreDriver(ABC):
    """Code that talks to one kind of storage. One instance per store, used by many threads.

    `OPTIONS` are exactly the keyword parameters of `__init__` (option `file-mode` is parameter `file_mode`): values
    come in, no configuration object. `READ_ONLY` is for storage that cannot be written by its nature. `__init__` does
    no input or output; `check` does.
    """

    OPTIONS: ClassVar[Sequence[cfg.Opt]] = ()
    READ_ONLY: ClassVar[bool] = False

    mark: str | None = None
    """The mark that the place must have (`expect_mark`)."""
    __proof: place.PlaceProof | None = None

    @abstractmethod
    def check(self) -> None:
        """Proves that the store can be written and read: at start, in `imgstore check`, in health checks.
        A ConfigurationError names the option; its section `""` is filled in by the core.
        Thread: any: at the start, in `imgstore check`, and in health checks beside uploads. Raises:
        ConfigurationError, any StoreError. Tried again by: the next health check."""

    @abstractmethod
    def url(self, key: str) -> str:
        """The URL of an object, for people and other services; never with a credential.
        Thread: any; no input or output. Raises: InvalidKey. Tried again by: nobody."""

    @abstractmethod
    def key_from_url(self, url: str) -> str:
        """The key for which `url` gives this URL. Any other, hostile ones included, is refused with InvalidKey.
        Thread: any; no input or output. Raises: InvalidKey. Tried again by: nobody."""

    @abstractmethod
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        """A writer for `key`; `size` is what to prepare for, enforced by the base. May raise ObjectExists at once.
        Thread: the upload's. Raises: ObjectExists, StoreFull, StoreUnavailable, ConfigurationError. Tried again
        by: nobody above the driver; the client uploads again."""

    @abstractmethod
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        """A reader of `start` to `stop` (None: the end), `info` set; `start` equal to the size is an empty read.
        ObjectChanged is for a storage that can compare `etag` by itself.
        Thread: the download's. Raises: ObjectNotFound, RangeNotSatisfiable, ObjectChanged, StoreUnavailable.
        Tried again by: the driver; else the download takes the image's next location."""

    @abstractmethod
    def _stat(self, key: str) -> ObjectInfo:
        """What the store holds under `key`.
        Thread: any. Raises: ObjectNotFound, StoreUnavailable. Tried again by: the driver."""

    @abstractmethod
    def _delete(self, key: str) -> None:
        """Removes the object.
        Thread: any. Raises: ObjectNotFound, StoreUnavailable. Tried again by: the host's removals, until the
        object is gone."""

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        """Room in a store with a `capacity`: the base extends, settles or releases it. None: no limit.
        Thread: the upload's. Raises: StoreFull. Tried again by: nobody above the driver; the client uploads
        again."""
        return None

    def for_context(self, context: object, *, url: str | None = None) -> StoreDriver:
        """The driver through which a caller's objects are reached: this one, unless every caller has storage of their
        own. `context` is the host's own, None for the service itself; `url` is that of an object to be read or
        removed, which may say whose it is. Cheap, and needs no `close`.
        Thread: the request's. Raises: UsageError, InvalidKey, ConfigurationError. Tried again by: nobody."""
        return self

    def close(self) -> None:
        """Returns connections and threads. The driver is not used afterwards.
        Thread: any, when nothing is under way any more. Raises: StoreError. Tried again by: nobody."""
        return

    @final
    def open_writer(
        self, key: str, *, size: int | None = None, limit: int | None = None, store: str = ""
    ) -> ObjectWriter:
        """Begins an object of `size` bytes (None: unknown) and at most `limit` bytes (None: no limit). `store`: the
        identifier that the writer's errors are to name.

        Raises InvalidKey, StoreReadOnly, ImageTooLarge, StoreFull, ObjectExists, StoreUnavailable.
        """
        check_key(key)
        _check_bytes(size=size, limit=limit)
        if self.READ_ONLY:
            raise errors.StoreReadOnly("Adding images to store is disabled.")
        refuse_too_large(size, limit)
        self.expect_place()
        action = "opening for writing"
        with contextlib.ExitStack() as undo, storage_failures(action), OnFailure(partial(nothing_is_missing, action)):
            room = self._reserve(key, size)
            if room is not None:
                undo.callback(room.release)
            writer = expect_kind(ObjectWriter, self._open_writer(key, size), "_open_writer")
            undo.pop_all()
        writer._arm(key, Admission(size=size, limit=limit), capacity=room, store=store)
        return writer

    @final
    def open_reader(
        self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None
    ) -> ObjectReader:
        """Opens bytes `start` to `stop` (exclusive; None: to the end) of an object, pinned to `etag` if one is given.

        Needs 0 <= start <= stop <= size, else RangeNotSatisfiable. Raises InvalidKey, ObjectNotFound, ObjectChanged,
        StoreUnavailable.
        """
        check_key(key)
        _check_bytes(start=start, stop=stop)
        if stop is not None and stop < start:
            raise errors.RangeNotSatisfiable(f"The range {start} to {stop} ends before it begins.")
        self.expect_place()
        if stop == start:
            return _pinned(EmptyReader(self.stat(key)), start, stop, etag)
        with OnFailure(self._missing), asking_failures("opening for reading"):
            reader = expect_kind(ObjectReader, self._open_reader(key, start, stop, etag), "_open_reader")
            return _pinned(reader, start, stop, etag)

    @final
    def stat(self, key: str) -> ObjectInfo:
        """What the store holds under `key`. Raises InvalidKey, ObjectNotFound, StoreUnavailable."""
        check_key(key)
        self.expect_place()
        with OnFailure(self._missing), asking_failures("looking up an object"):
            return expect_info(self._stat(key), "_stat")

    @final
    def delete(self, key: str) -> None:
        """Removes an object. Raises InvalidKey, ObjectNotFound, StoreUnavailable."""
        check_key(key)
        self.expect_place()
        with OnFailure(self._missing), asking_failures("deleting"):
            self._delete(key)

    @final
    def expect_mark(self, mark: str) -> None:
        """From now on the driver works only while its place has this mark; else everything is WrongPlace. For drivers
        with `HasPlace`."""
        self.mark = mark
        self.__proof = place.PlaceProof(self.__prove_mark)

    @final
    def expect_objects(self, keys: Sequence[str]) -> None:
        """The same for a place that cannot be written, and has no mark: it must have one of these objects."""
        self.__proof = place.PlaceProof(partial(self.__prove_objects, keys))

    @final
    def expect_adoption(self) -> None:
        """From now on everything is WrongPlace, until another expectation: nobody knows whether the place is right."""
        self.mark = None
        self.__proof = place.PlaceProof(_prove_nothing)

    @final
    def expect_any_place(self) -> None:
        """From now on every place is right: there is nothing by which it could be told."""
        self.mark = self.__proof = None

    @final
    def expect_place(self) -> None:
        """Raises WrongPlace if the place is not the right one. Costs nothing where that was proved lately. A driver
        calls it in what its capabilities do."""
        if self.__proof is not None:
            self.__proof.expect()

    @final
    def prove_place(self) -> None:
        """Looks at the place now. Raises WrongPlace, StoreUnavailable."""
        if self.__proof is not None:
            self.__proof.prove()

    def __prove_mark(self) -> None:
        if isinstance(self, HasPlace) and self.mark is not None:
            with storage_failures("looking at the mark of the place"):
                place.expect(self.mark, self.read_mark())

    def __prove_objects(self, keys: Sequence[str]) -> None:
        for key in keys:
            with contextlib.suppress(errors.ObjectNotFound), storage_failures("looking at the place"):
                self._stat(key)
                return
        raise errors.WrongPlace("Image storage is not available: its place has none of the images.")

    def _missing(self, error: BaseException) -> None:
        """In the wrong place nothing is missing."""
        if isinstance(error, errors.ObjectNotFound):
            self.prove_place()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, StoreDriver, _DRIVER_FINAL)


def _prove_nothing() -> None:
    raise errors.WrongPlace("Image storage is not available: it is not known whether this is the store's place.")


def _pinned(reader: ObjectReader, start: int, stop: int | None, etag: str | None) -> ObjectReader:
    with contextlib.ExitStack() as undo:
        undo.callback(_close_refused, reader)
        size = expect_info(reader.info, "_open_reader").size
        end = size if stop is None else stop
        if etag is not None and reader.info.etag != etag:
            raise errors.ObjectChanged("The object changed in the store.")
        if start > size or end > size:
            raise errors.RangeNotSatisfiable(f"The object has {size} bytes.", size=size)
        reader._arm(start, end)
        undo.pop_all()
    return reader


def _close_refused(reader: ObjectReader) -> None:
    try:
        reader.close()
    except errors.ImgstoreError as error:
        LOG.warning("Could not close a read that was refused: %s", describe(error))


def _check_bytes(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 0:
            raise errors.UsageError(f"{name} is {value}: a number of bytes is 0 or more, or None for unknown.")
