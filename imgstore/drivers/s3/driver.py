"""The S3 driver: objects of one folder of one bucket, in Amazon S3 and in other servers with its API, through boto3.

An object appears under its key whole or not at all (`writer`), and the server confirms every byte of it, or the driver
reads it back (`integrity`). A failed upload leaves nothing, and leftovers of a dead process are found by their age
(`uploads`, `leftovers`). A read is of one object (`reader`). Every failure has the right blame (`errors`), and no text
has a credential (`client`, `urls`). Nothing rests on a conditional write.

Memory: per upload `multipart_threshold + (concurrency + 1) * part_size` bytes; per download one MiB, and
`(read_concurrency + 1) * read_block_size` bytes if `read_concurrency` is above 1. Threads: `concurrency` per large
upload, `read_concurrency` per download if above 1. One client and its pool of connections for the whole store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, check_key, is_key
from imgstore.driver.background import undo_soon
from imgstore.driver.capacity import CapacityAccount
from imgstore.driver.keyed import KeyedLocks
from imgstore.driver.translate import OnFailure, storage_failures, undone_copy
from imgstore.drivers.s3 import leftovers as s3_leftovers
from imgstore.drivers.s3 import place, versions
from imgstore.drivers.s3.check import Check
from imgstore.drivers.s3.client import SharedClient
from imgstore.drivers.s3.copy import Copy
from imgstore.drivers.s3.integrity import Integrity
from imgstore.drivers.s3.objects import look_up
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.reader import open_reader
from imgstore.drivers.s3.requests import Requests
from imgstore.drivers.s3.server_traits import Traits
from imgstore.drivers.s3.urls import Urls
from imgstore.drivers.s3.writer import S3Writer
from imgstore.model import Leftover, ObjectInfo, Place, Space
from imgstore.quota import Hold

LONGEST_URL = 7 * 24 * 3600
"""Seconds for which a signed URL can be good."""


class S3Driver(StoreDriver):
    """Objects in a bucket. The parameters are those of `S3Options`. Raises ConfigurationError for values that cannot
    work."""

    OPTIONS = S3Options.options()

    def __init__(self, **options: Any) -> None:
        self._options = S3Options(**options)
        self._client = SharedClient(self._options)
        self._requests = Requests(self._options, self._client, Traits(), prove_place=self._prove_bucket)
        self._integrity = Integrity(self._options.checksum, self._requests)
        self._urls = Urls(self._options)
        self._mark = place.PlaceMark(self._options, self._requests)
        self._check = Check(self._options, self._requests, self._integrity)
        self._new_copy = partial(Copy, self._requests, self._options)
        self._deleting = KeyedLocks()
        self._capacity = CapacityAccount(self._options.capacity, self.objects)

    @property
    def capacity(self) -> int | None:
        """Bytes of all objects together; None for no limit."""
        return self._capacity.limit

    def check(self) -> None:
        """Proves the store, whose bucket must be there."""
        self.expect_place()
        with storage_failures("checking the store"):
            self._check.run()

    @property
    def borders(self) -> tuple[int, ...]:
        """Above the first one an object is stored in parts, of the second one's bytes."""
        return self._options.threshold, self._options.part_size

    def facts(self) -> Mapping[str, str]:
        """What `check` found out about the server."""
        return self._check.facts()

    @property
    def place(self) -> Place:
        """The folder of the bucket, whatever URL leads to it."""
        return place.place_of(self._options)

    def read_mark(self) -> str | None:
        """What is in the object `.imgstore-place` below the prefix."""
        with storage_failures("reading the mark"):
            return place.read_mark(self._requests)

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """Creates the bucket if it is missing and `create_bucket` is on. Two that come first at once may both return
        their own mark where a server ignores `If-None-Match`; only one of them is there then."""
        with storage_failures("marking the place"):
            return self._mark.write(mark, replace=replace)

    def read_epoch(self) -> int:
        """What is in the object `.imgstore-epoch` below the prefix."""
        self.expect_place()
        with storage_failures("reading the epoch"):
            return place.read_epoch(self._requests)

    def write_epoch(self, epoch: int) -> None:
        """Stores that object anew."""
        self.expect_place()
        with storage_failures("noting the epoch"):
            place.write_epoch(self._requests, epoch)

    def url(self, key: str) -> str:
        """`s3+https://host/bucket/prefix/key`."""
        return self._urls.url(key)

    def key_from_url(self, url: str) -> str:
        """The key of a URL from here or from glance_store. Raises InvalidKey."""
        return self._urls.key(url)

    def close(self) -> None:
        """Closes the connections."""
        with storage_failures("closing"):
            self._client.close()

    def temporary_url(self, key: str, *, seconds: int) -> str:
        """A signed URL of the object. If temporary keys sign it, it ends with them."""
        check_key(key)
        if not 1 <= seconds <= LONGEST_URL:
            raise errors.UsageError(f"A URL is good for 1 to {LONGEST_URL} seconds, not for {seconds}.")
        self.expect_place()
        with storage_failures("making a URL"):
            return self._requests.presigned_url(key, seconds=seconds)

    def copy(self, source: str, target: str) -> ObjectInfo:
        """Has the server copy `source` to the free key `target`, within the capacity."""
        check_key(source)
        check_key(target)
        self.expect_place()
        new = self._new_copy(target)
        with (
            OnFailure(self._missing),
            undone_copy(target, partial(undo_soon, "a copy", new.discard)),
            contextlib.ExitStack() as undo,
        ):
            info = look_up(self._requests, source)
            room = self._reserve(target, info.size)
            if room is not None:
                undo.callback(room.release)
            made = new.of(info)
            undo.pop_all()
            if room is not None:
                room.settle(made.size)
            return made

    def objects(self) -> Iterator[ObjectInfo]:
        """Every object in the folder whose name is a key."""
        self.expect_place()
        with storage_failures("listing objects"):
            yield from (info for info in self._requests.list_objects() if is_key(info.key))

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """Leftovers that nobody touched for so long. Only its age protects an upload under way, counted from its last
        part."""
        self.expect_place()
        with storage_failures("listing leftovers"):
            yield from s3_leftovers.find(self._requests, older_than=older_than)

    def hidden_versions(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """Of a bucket that keeps versions."""
        self.expect_place()
        with storage_failures("listing versions"):
            yield from versions.hidden(self._requests, older_than=older_than)

    def remove_leftover(self, leftover: Leftover) -> None:
        """Removes one, or a hidden version. Raises InvalidKey for a name that is not a leftover's."""
        self.expect_place()
        name, separator, version = leftover.name.partition(versions.SEPARATOR)
        with storage_failures("removing a leftover"):
            if separator:
                versions.remove(self._requests, name, version)
                return
            s3_leftovers.remove(self._requests, leftover)

    def clear_leftovers(self, key: str) -> None:
        """Aborts all multipart uploads of the key, if the server can list them."""
        check_key(key)
        self.expect_place()
        with storage_failures("removing the leftovers of an upload"):
            s3_leftovers.clear_leftovers(self._requests, key)

    def space(self) -> Space:
        """What `capacity` leaves; S3 itself does not tell."""
        self.expect_place()
        with storage_failures("measuring the space"):
            if self.capacity is None:
                self._requests.head_bucket()
            return self._capacity.within(Space(total=None, free=None))

    def _prove_bucket(self) -> None:
        """A mark tells the bucket too; without one, at least whether there is a bucket."""
        if self.mark is None:
            self._requests.head_bucket()
        self.prove_place()

    def _missing(self, error: BaseException) -> None:
        if isinstance(error, errors.ObjectNotFound):
            self._prove_bucket()

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self._capacity.reserve(size)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return S3Writer(key, size=size, options=self._options, requests=self._requests, integrity=self._integrity)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return open_reader(self._requests, self._options, key, start=start, stop=stop, etag=etag)

    def _stat(self, key: str) -> ObjectInfo:
        return look_up(self._requests, key)

    def _delete(self, key: str) -> None:
        self._capacity.open()
        with self._deleting.of(key):  # its bytes are given back once
            info = look_up(self._requests, key)  # S3 does not say that there was no object
            self._requests.delete_object(key)
            self._capacity.give_back(info.size)
