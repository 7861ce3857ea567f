"""Glance pulls and the library is pushed: one loop on the caller's thread is the bridge, in each direction."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from imgstore import errors
from imgstore.bulkhead import Slot
from imgstore.driver import ObjectReader, StoreDriver
from imgstore.driver.writer import ObjectWriter
from imgstore.model import MIB
from imgstore.store import Store
from imgstore.transfers.digests import Digests

MD5 = "md5"
READ = 4 * MIB
"""Bytes that are asked for at once; a server may give fewer."""
READ_BACK = 256 * 1024
"""Bytes that Glance is given at once: few enough to be still in the processor's cache when Glance sends them."""


class Reads(Protocol):
    """A file, as Glance hands it over."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; b"" at the end."""


class Verifier(Protocol):
    """What checks a signature."""

    def update(self, data: bytes, /) -> object:
        """The next bytes."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What was stored. `checksum` is the md5, `multihash` the digest that was asked for; both in hex."""

    url: str
    size: int
    checksum: str
    multihash: str


def upload(
    store: Store, image_id: str, source: Reads | Iterable[bytes], *, size: int | None, algorithm: str,
    verifier: Verifier | None = None,
) -> Uploaded:  # fmt: skip
    """Stores what `source` gives; `size` in bytes, None for unknown. Whatever fails, nothing is left.

    Memory: what the driver says of its writer, the window of the digests, and READ bytes. Raises SizeMismatch,
    BodyBroken, StoreError, and what `source` and `verifier` raise.
    """
    store.refuse_if_read_only()
    with store.slot(), contextlib.ExitStack() as ending, store.blamed():
        key = _free_key(store.driver, image_id)
        writer = ending.enter_context(store.open_writer(key, size=size, limit=None))
        digests = Digests(dict.fromkeys((MD5, algorithm)))
        ending.callback(digests.close)
        for chunk in chunks(source):
            _pass_on(chunk, writer, digests, verifier)
        found = digests.hexdigests()
        info = _committed(writer)
        return Uploaded(
            url=store.driver.url(key), size=info, checksum=found[MD5], multihash=found[algorithm]
        )  # fmt: skip


def _pass_on(chunk: bytes, writer: ObjectWriter, digests: Digests, verifier: Verifier | None) -> None:
    digests.start(chunk)
    writer.write(chunk)
    digests.settle(chunk)
    if verifier is not None:
        verifier.update(chunk)


def _committed(writer: ObjectWriter) -> int:
    """The bytes that were stored. Another process may have been faster with the key; the next try has another one."""
    try:
        return writer.commit().size
    except errors.ObjectExists as error:
        taken = "The store has another object under the key of this upload."
        raise errors.StoreUnavailable(taken, retry_after=1) from error


def _free_key(driver: StoreDriver, image_id: str) -> str:
    """The image's identifier, for its first upload. A refused image (Glance looks at the content after it was stored)
    or a restored database may have left an object there: it stays, and this upload gets a key of its own."""
    try:
        driver.stat(image_id)
    except errors.ObjectNotFound:
        return image_id
    return f"{image_id}-{secrets.token_hex(8)}"


def chunks(source: Reads | Iterable[bytes]) -> Iterator[bytes]:
    """What `source` gives. Raises BodyBroken where the connection to the client breaks."""
    read: Callable[[int], bytes] | None = getattr(source, "read", None)
    pieces = iter(cast("Iterable[bytes]", source)) if read is None else iter(partial(read, READ), b"")
    while True:
        try:
            piece = next(pieces)
        except StopIteration:
            return
        except OSError as error:
            raise errors.BodyBroken("The image's data broke off before its end.") from error
        yield piece


class Download:
    """The bytes of an object, or of a part of it: exactly those, or an error. It holds one of the store's slots until
    it ends, is closed, or is forgotten."""

    def __init__(self, reader: ObjectReader, slot: Slot) -> None:
        self._reader = reader
        self._slot = slot
        self.length = reader.stop - reader.start

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            data = self._reader.read(READ_BACK)
        except BaseException:
            self.close()
            raise
        if not data:
            self.close()
            raise StopIteration
        return data

    def close(self) -> None:
        """Returns the connection and the slot; a no-op the second time."""
        try:
            self._reader.close()
        finally:
            self._slot.free()

    def __del__(self) -> None:
        with contextlib.suppress(errors.StoreError):
            self.close()


def download(store: Store, key: str, *, start: int, length: int | None) -> Download:
    """The object's bytes from `start` on, so many of them (None: to the end). Raises ObjectNotFound, StoreUnavailable;
    a range that is not in the object as the latter, since Glance has compared it with the image's size."""
    stop = None if length is None else start + length
    with contextlib.ExitStack() as undo, store.blamed():
        slot = undo.enter_context(store.slot())
        try:
            reader = store.driver.open_reader(key, start=start, stop=stop)
        except errors.RangeNotSatisfiable as error:
            raise errors.IntegrityError(f"The object has {error.size} bytes, fewer than the image.") from error
        undo.pop_all()
    return Download(reader, slot)
