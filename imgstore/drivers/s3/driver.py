"""The S3 driver: objects of one folder of one bucket, in Amazon S3 and in what speaks its language, through boto3.

What it promises: an object appears under its key whole or not at all (`writer`), every byte of it confirmed by the
server or read back (`integrity`); what a failed upload began is removed, and what a dead one left is found by age
(`uploads`, `leftovers`); a read is of one object (`reader`); every failure has the right blame
(`errors`), and no credential is in any text (`client`, `urls`).

Memory (law 6): per upload `multipart_threshold + (concurrency + 1) * part_size` bytes; per download one MiB, and
`(read_concurrency + 1) * read_block_size` bytes where `read_concurrency` is above 1. Threads: `concurrency` per large
upload, `read_concurrency` per download if above 1. One client and its pool of connections for the whole store.

What it refuses to do: rest on a conditional write, or share the count of `capacity` with another process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from imgstore import errors
from imgstore.driver.base import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.driver.translate import storage_failures
from imgstore.drivers.s3 import leftovers as s3_leftovers
from imgstore.drivers.s3 import options
from imgstore.drivers.s3 import settings as s3_settings
from imgstore.drivers.s3.check import Check
from imgstore.drivers.s3.client import Connection
from imgstore.drivers.s3.copy import Copier
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import Integrity
from imgstore.drivers.s3.objects import Objects, is_key
from imgstore.drivers.s3.reader import open_reader
from imgstore.drivers.s3.server_traits import Traits
from imgstore.drivers.s3.uploads import Uploads
from imgstore.drivers.s3.urls import Urls
from imgstore.drivers.s3.writer import S3Writer
from imgstore.model import Leftover, ObjectInfo, Space
from imgstore.quota import Account, Hold, capacity_refusal

LONGEST_URL = 7 * 24 * 3600
"""Seconds for which a signed URL can be good."""


class S3Driver(StoreDriver):
    """Objects in a bucket. See OPTIONS for the parameters. Raises ConfigurationError for bad values."""

    OPTIONS = options.OPTIONS

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        prefix: str = "",
        create_bucket: bool = False,
        addressing_style: str = "auto",
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        verify: bool = True,
        ca_bundle: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
        connect_timeout: float = options.CONNECT_TIMEOUT,
        read_timeout: float = options.READ_TIMEOUT,
        max_attempts: int = options.MAX_ATTEMPTS,
        retry_mode: str = "standard",
        max_pool_connections: int | None = None,
        part_size: int = options.PART_SIZE,
        multipart_threshold: int | None = None,
        concurrency: int = options.CONCURRENCY,
        max_parts: int = options.MAX_PARTS,
        equal_parts: bool = False,
        read_concurrency: int = options.READ_CONCURRENCY,
        read_block_size: int = options.BLOCK_SIZE,
        checksum: str = "auto",
        storage_class: str | None = None,
        encryption: str | None = None,
        kms_key_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        capacity: int | None = None,
    ) -> None:
        self._settings = settings = s3_settings.checked(
            endpoint_url=endpoint_url, region=region, bucket=bucket, prefix=prefix, create_bucket=create_bucket,
            addressing_style=addressing_style, access_key=access_key, secret_key=secret_key,
            session_token=session_token, profile=profile, verify=verify, ca_bundle=ca_bundle, client_cert=client_cert,
            client_key=client_key, connect_timeout=connect_timeout, read_timeout=read_timeout,
            max_attempts=max_attempts, retry_mode=retry_mode, max_pool_connections=max_pool_connections,
            part_size=part_size, multipart_threshold=multipart_threshold, concurrency=concurrency,
            max_parts=max_parts, equal_parts=equal_parts, read_concurrency=read_concurrency,
            read_block_size=read_block_size, checksum=checksum, storage_class=storage_class, encryption=encryption,
            kms_key_id=kms_key_id, tags=tags, capacity=capacity,
        )  # fmt: skip
        self._urls = Urls(settings)
        self._connection = Connection(settings)
        traits = Traits()
        self._objects = Objects(self._connection, settings, traits)
        self._uploads = Uploads(self._objects)
        self._integrity = Integrity(settings.checksum, traits)
        self._checking = Check(settings, self._objects, self._uploads, self._integrity)
        self._copier = Copier(self._objects, self._uploads)
        self._lock = threading.Lock()
        self._account: Account | None = None

    def check(self) -> None:
        """See StoreDriver. Creates the bucket where it is missing and `create_bucket` is on."""
        with storage_failures("checking the store"):
            self._checking.run()

    def url(self, key: str) -> str:
        """See StoreDriver: `s3+https://host/bucket/prefix/key`."""
        return self._urls.url(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver. Understands what glance_store wrote, too."""
        return self._urls.key(url)

    def close(self) -> None:
        """See StoreDriver."""
        with storage_failures("closing"):
            self._connection.close()

    def temporary_url(self, key: str, *, seconds: int) -> str:
        """See MakesTemporaryUrls. One that temporary keys sign ends with them."""
        check_key(key)
        if not 1 <= seconds <= LONGEST_URL:
            raise errors.UsageError(f"A URL is good for 1 to {LONGEST_URL} seconds, not for {seconds}.")
        with storage_failures("making a URL"), translated("making a URL"):
            place = self._objects.place(key)
            return self._connection.call(
                lambda s3: s3.generate_presigned_url("get_object", Params=place, ExpiresIn=seconds)
            )

    def copy(self, source: str, target: str) -> ObjectInfo:
        """See CopiesObjects."""
        check_key(source)
        check_key(target)
        with storage_failures("copying"):
            info = self._objects.info(source)
            room = self._reserve(target, info.size)
            try:
                made = self._copier.copy(info, target)
            except BaseException:
                if room is not None:
                    room.release()
                raise
            if room is not None:
                room.settle(made.size)
            return made

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        with storage_failures("listing objects"), translated("listing objects"):
            yield from (info for info in self._objects.listing() if is_key(info.key))

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers. Age is all that protects an upload under way, counted from its last part."""
        with storage_failures("listing leftovers"):
            yield from s3_leftovers.find(self._objects, self._uploads, older_than=older_than)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers. Raises InvalidKey for a name that is not a leftover's."""
        with storage_failures("removing a leftover"):
            s3_leftovers.remove(self._objects, self._uploads, leftover)

    def remove_traces(self, key: str) -> None:
        """See RemovesTraces: unfinished multipart uploads, where the server can list them."""
        check_key(key)
        with storage_failures("removing the traces of an upload"):
            s3_leftovers.remove_traces(self._objects, self._uploads, key)

    def space(self) -> Space:
        """See MeasuresSpace: what `capacity` leaves; S3 itself tells nothing."""
        with storage_failures("measuring the space"):
            account = self._opened_account()
            if account is None or account.limit is None:
                with translated("measuring the space"):
                    self._objects.expect_bucket()
                return Space(total=None, free=None)
        return Space(total=account.limit, free=max(0, account.limit - account.used - account.held))

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        account = self._opened_account()
        return None if account is None else account.reserve(size)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return S3Writer(
            key, size=size, settings=self._settings, objects=self._objects, uploads=self._uploads,
            integrity=self._integrity,
        )  # fmt: skip

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return open_reader(self._objects, self._settings, key, start=start, stop=stop, etag=etag)

    def _stat(self, key: str) -> ObjectInfo:
        return self._objects.info(key)

    def _delete(self, key: str) -> None:
        # Before the object goes: a sum that is begun later must not miss it and then have it given back.
        account = self._opened_account()
        info = self._objects.info(key)  # S3 removes what is not there without a word
        self._objects.remove(key)
        if account is not None:
            account.give_back(info.size)

    def _opened_account(self) -> Account | None:
        """The capacity's account, opened at the first use with what the bucket holds; None without a capacity."""
        if self._settings.capacity is None:
            return None
        with self._lock:
            if self._account is None:
                used = sum(info.size for info in self.objects())
                self._account = Account(self._settings.capacity, used=used, refusal=capacity_refusal)
            return self._account
