"""Bytes between files and stores: streamed, digested on the way, whole or not at all.

Memory: one chunk of 1 MiB, the digests' window, and the drivers' own bound. A signal takes effect between two chunks
(`interrupts`), so that every writer is committed or aborted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imgstore.catalog import MemoryCatalog
from imgstore.cli.configuration import Configured, ObjectName
from imgstore.cli.failures import Failure
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.progress import Advance, progress
from imgstore.driver.capabilities import CopiesObjects
from imgstore.driver.writer import refuse_too_large
from imgstore.model import Location, StoredImage
from imgstore.transfers.digests import Digests
from imgstore.transfers.download import Download, DownloadService
from imgstore.transfers.expected import Expected
from imgstore.transfers.upload import UploadSettings
from imgstore.undo import Undo


@dataclass(frozen=True)
class Written:
    """An object that was written or read. `digests` in hex by algorithm."""

    location: Location
    size: int
    digests: dict[str, str]


def algorithms(settings: UploadSettings, expected: Iterable[str] = ()) -> list[str]:
    """The digests that an image gets by configuration, the one of os_hash_value first; then those that are expected."""
    return list(dict.fromkeys([settings.hash_algo, *(["md5"] if settings.checksum else []), *expected]))


def write_object(
    target: ObjectName,
    chunks: Iterable[bytes],
    *,
    size: int | None,
    settings: UploadSettings,
    advance: Advance,
    expected: Mapping[str, str] = MappingProxyType({}),
) -> Written:
    """A new object of `chunks`, or nothing. `size` in bytes, None: unknown; `expected` digests by algorithm.

    Raises StoreError, SizeMismatch, ImageTooLarge, DigestMismatch, Interrupted, and what `chunks` raise.
    """
    store = target.store
    store.refuse_if_read_only()
    names = algorithms(settings, expected)
    with INTERRUPTS.deferred(), contextlib.closing(Digests(names)) as digests:
        with store.blamed():
            writer = store.driver.open_writer(target.key, size=size, limit=settings.max_image_size)
        with writer:
            for chunk in chunks:
                digests.start(chunk)
                with store.blamed():
                    writer.write(chunk)
                digests.settle(chunk)
                advance(writer.total)
                INTERRUPTS.check()
            found = digests.hexdigests()
            Expected.by_client(expected).compare(found)
            with store.blamed():
                info = writer.commit()
    return Written(store.location(target.key), info.size, {name: found[name] for name in names})


def read_object(configured: Configured, target: ObjectName) -> Download:
    """The bytes of an object, pinned to it and resumed where the store breaks. Raises ObjectNotFound, StoreError."""
    with target.store.blamed():
        info = target.store.driver.stat(target.key)
    image = StoredImage(str(target), "active", size=info.size, locations=[target.store.location(target.key)])
    return DownloadService(configured.stores, source=MemoryCatalog()).open(image)


def digest_object(configured: Configured, target: ObjectName, *, names: list[str], label: str, quiet: bool) -> Written:
    """Reads an object whole, for its digests. Raises Interrupted, and what `read_object` raises."""
    with (
        INTERRUPTS.deferred(),
        contextlib.closing(Digests(names)) as digests,
        read_object(configured, target) as download,
        progress(label, download.length, quiet=quiet) as advance,
    ):
        done = 0
        for chunk in download:
            digests.update(chunk)
            done += len(chunk)
            advance(done)
            INTERRUPTS.check()
        found = digests.hexdigests()
    return Written(download.image.locations[0], done, {name: found[name] for name in names})


def copy_object(configured: Configured, source: ObjectName, target: ObjectName, *, quiet: bool) -> Written:
    """A copy, read back, with the digest of its source; or nothing. Inside one store, the store copies if it can.

    Raises StoreError, ImageTooLarge, Interrupted, Failure if the store does not give back what it got.
    """
    inside = source.store is target.store and isinstance(target.store.driver, CopiesObjects)
    make = _copied_inside if inside else _streamed
    with INTERRUPTS.deferred():
        written = make(configured, source, target, quiet=quiet)
        with removed_on_failure(target):
            algorithm = configured.settings.hash_algo
            again = digest_object(configured, target, names=[algorithm], label="comparing", quiet=quiet)
            if again.digests[algorithm] != written.digests[algorithm]:
                raise Failure(f"the copy {target} has another {algorithm} than {source} and was removed.")
    return written


def _streamed(configured: Configured, source: ObjectName, target: ObjectName, *, quiet: bool) -> Written:
    with read_object(configured, source) as download, progress("copying", download.length, quiet=quiet) as advance:
        size, settings = download.length, configured.settings
        return write_object(target, download, size=size, settings=settings, advance=advance)


def _copied_inside(configured: Configured, source: ObjectName, target: ObjectName, *, quiet: bool) -> Written:
    """The source is read for its digests only."""
    store, driver, settings = target.store, target.store.driver, configured.settings
    assert isinstance(driver, CopiesObjects)  # noqa: S101 - `copy_object` asked
    store.refuse_if_read_only()
    read = digest_object(configured, source, names=algorithms(settings), label="reading", quiet=quiet)
    refuse_too_large(read.size, settings.max_image_size)
    with store.blamed():
        driver.copy(source.key, target.key)
    return Written(store.location(target.key), read.size, read.digests)


@contextlib.contextmanager
def removed_on_failure(target: ObjectName) -> Iterator[None]:
    """Around the test of a new object: a failure inside removes it. A failure to remove it is logged."""
    undo = Undo()
    undo.push(f"the object {target}", lambda: target.store.driver.delete(target.key))
    try:
        yield
    except BaseException:
        undo.run()
        raise
