"""A driver on one account of Swift, whoever's it is: the store's own (`swift.SwiftDriver`) or a caller's.

Each hook says what is asked of the account, in which order; how, and what the answers mean, is in the modules that it
names.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgstore import errors
from imgstore.driver.base import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.driver.translate import storage_failures
from imgstore.drivers.swift import listing, temporary_urls
from imgstore.drivers.swift.account import Account, Headers, Path
from imgstore.drivers.swift.attempt import Attempt
from imgstore.drivers.swift.auth import Auth
from imgstore.drivers.swift.check import configuration_blamed, prove
from imgstore.drivers.swift.cluster_limits import Kept, KnownLimits
from imgstore.drivers.swift.connections import Pool
from imgstore.drivers.swift.containers import Containers, Naming
from imgstore.drivers.swift.copy import Copy
from imgstore.drivers.swift.deletion import Deletion
from imgstore.drivers.swift.dynamic_objects import described
from imgstore.drivers.swift.leftovers import Leftovers
from imgstore.drivers.swift.quotas import Quotas
from imgstore.drivers.swift.reader import open_reader
from imgstore.drivers.swift.settings import Settings
from imgstore.drivers.swift.urls import Urls
from imgstore.drivers.swift.writer import SwiftWriter
from imgstore.model import Leftover, ObjectInfo, Space
from imgstore.quota import Hold


class AccountDriver(StoreDriver):
    """Objects in one account. `headers`: of containers that are created."""

    def __init__(
        self, settings: Settings, *, auth: Auth, pool: Pool, naming: Naming, urls: Urls,
        limits: Kept, headers: Headers,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._urls = urls
        self._account = Account(auth, pool, max_attempts=settings.max_attempts)
        self._limits = KnownLimits(self._account.info, limits)
        self._containers = Containers(self._account, naming, settings, headers=headers)
        self._deletion = Deletion(self._account, self._limits, concurrency=settings.concurrency)
        self._leftovers = Leftovers(self._account, self._containers, self._deletion)
        self._quotas = Quotas(self._account, age=settings.quota_age)

    def check(self) -> None:
        """See StoreDriver. Creates the containers where they are missing and the configuration wants that."""
        with storage_failures("checking the store"), configuration_blamed():
            prove(self._account, self._containers, self._limits(), self._settings)

    def url(self, key: str) -> str:
        """See StoreDriver: without a credential, see `urls`."""
        return self._urls.url(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver. Understands what glance_store wrote."""
        return self._urls.key(url)

    def objects(self) -> Iterator[ObjectInfo]:
        """See ListsObjects."""
        with storage_failures("listing objects"):
            yield from listing.objects(self._account, self._containers)

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """See FindsLeftovers: by age, see `leftovers`."""
        with storage_failures("listing leftovers"):
            yield from self._leftovers.older_than(older_than)

    def remove_leftover(self, leftover: Leftover) -> None:
        """See FindsLeftovers. Raises InvalidKey for a name that is not a leftover's."""
        with storage_failures("removing a leftover"):
            self._leftovers.remove(leftover)

    def remove_traces(self, key: str) -> None:
        """See RemovesTraces."""
        check_key(key)
        with storage_failures("removing what uploads left"):
            self._leftovers.of(key)

    def space(self) -> Space:
        """See MeasuresSpace: what Swift's quotas leave."""
        with storage_failures("measuring the space"):
            key = self._any_key()
            levels = self._quotas.levels(self._containers.of(key), self._containers.segments_of(key))
        limits = [level.limit for level in levels if level.limit is not None]
        free = [max(0, level.limit - level.used) for level in levels if level.limit is not None]
        return Space(total=min(limits, default=None), free=min(free, default=None))

    def temporary_url(self, key: str, *, seconds: int) -> str:
        """See MakesTemporaryUrls."""
        with storage_failures("making a temporary URL"), configuration_blamed():
            return temporary_urls.temporary_url(
                self._account, self._path(check_key(key)), seconds=seconds, key=self._settings.temp_url_key,
                limits=self._limits(),
            )  # fmt: skip

    def copy(self, source: str, target: str) -> ObjectInfo:
        """See CopiesObjects."""
        check_key(source), check_key(target)
        with storage_failures("copying"):
            headers = self._head(source)
            info = described(self._account, self._path(source), headers)
            hold = self._reserve(target, info.size)
            copier = Copy(self._account, self._attempt(target), concurrency=self._settings.concurrency)
            try:
                copied = copier.of(self._path(source), headers, info)
            except BaseException:
                _release(hold)
                raise
        if hold is not None:
            hold.settle(info.size)
        return copied

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        if not self._settings.check_quota:
            return None
        return self._quotas.reserve(self._containers.of(key), self._containers.segments_of(key), size)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        limits = self._limits()
        return SwiftWriter(
            self._attempt(key), self._account, size=size, sizes=limits.sizes(self._settings, size),
            threshold=limits.threshold(self._settings), concurrency=self._settings.concurrency,
        )  # fmt: skip

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        try:
            return open_reader(
                self._account, self._path(key), start=start, stop=stop, etag=etag,
                block_size=self._settings.read_block_size, concurrency=self._settings.read_concurrency,
            )  # fmt: skip
        except errors.ObjectNotFound:
            self._containers.expect(key)
            raise

    def _stat(self, key: str) -> ObjectInfo:
        return described(self._account, self._path(key), self._head(key))

    def _delete(self, key: str) -> None:
        headers = self._head(key)
        size = described(self._account, self._path(key), headers).size
        self._deletion.object(self._path(key), headers)
        self._quotas.give_back(self._containers.of(key), self._containers.segments_of(key), size)
        self._containers.tidy(key)

    def _head(self, key: str) -> Headers:
        try:
            return self._account.head(self._path(key))
        except errors.ObjectNotFound:
            self._containers.expect(key)
            raise

    def _path(self, key: str) -> Path:
        return self._containers.of(key), key

    def _attempt(self, key: str) -> Attempt:
        return Attempt(key, account=self._account, containers=self._containers, deletion=self._deletion)

    def _any_key(self) -> str:
        return "0" * 32


def _release(hold: Hold | None) -> None:
    if hold is not None:
        hold.release()
