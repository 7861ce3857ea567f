"""The Swift driver: images in OpenStack Swift, or in another server with its API, through python-swiftclient.

Small images are one object. Large ones are static large objects; their segments are sent in parallel from memory:

    options, credentials                  what an operator sets
    auth, connections, requests           tokens, connections, one request and its further tries
    account, answers, errors              what is asked of an account, and what the answers mean
    cluster_limits                        what the cluster allows
    containers, urls                      where objects are
    writer, manifest; reader, dynamic_objects; deletion, copy       what is done with an object
    multi_tenant, place, quotas, leftovers, check, large_probe      the account as a whole, or a caller's own
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.driver.background import undo_soon
from imgstore.driver.translate import OnFailure, storage_failures, undone_copy
from imgstore.drivers.swift import multi_tenant
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers
from imgstore.drivers.swift.auth import Auth, StoreToken
from imgstore.drivers.swift.check import PROBE_KEY, Check, configuration_blamed
from imgstore.drivers.swift.cluster_limits import Cluster
from imgstore.drivers.swift.connections import Pool
from imgstore.drivers.swift.containers import CallerNaming, Containers, Naming, StoreNaming
from imgstore.drivers.swift.copy import Copy
from imgstore.drivers.swift.credentials import Credentials
from imgstore.drivers.swift.deletion import Deletion
from imgstore.drivers.swift.dynamic_objects import described
from imgstore.drivers.swift.errors import NotAsConfigured
from imgstore.drivers.swift.leftovers import Leftovers
from imgstore.drivers.swift.manifest import owner_of
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.drivers.swift.place import Notes, place_of
from imgstore.drivers.swift.quotas import Meters, Quotas
from imgstore.drivers.swift.reader import Range, open_reader
from imgstore.drivers.swift.urls import StoreUrls, Urls, prefix_of, temporary_url
from imgstore.drivers.swift.writer import NewObject, SwiftWriter
from imgstore.model import Leftover, ObjectInfo, Place, Space
from imgstore.quota import Hold

IDLE_FOR_EACH_SEGMENT = 4


class AccountDriver(StoreDriver):
    """Objects in one account, the store's own or a caller's."""

    def __init__(
        self, options: SwiftOptions, account: AccountClient, *, naming: Naming, urls: Urls, meters: Meters
    ) -> None:
        self._options = options
        self._account = account
        self._urls = urls
        headers = multi_tenant.new_container_headers(options)
        self._containers = Containers(account, naming, options, headers=headers, prove=self.prove_place)
        self._check = Check(account, self._containers, options, self._owner)
        self._deletion = Deletion(account, concurrency=options.concurrency)
        self._leftovers = Leftovers(account, self._containers, self._deletion, owner=self._owner)
        self._quotas = Quotas(account, meters)

    def check(self) -> None:
        """Proves that objects can be stored in the containers, which must be there."""
        self.expect_place()
        with storage_failures("checking the store"), configuration_blamed:
            self._check.run()

    @property
    def borders(self) -> tuple[int, ...]:
        """Above the first one an object is stored in segments, of the second one's bytes."""
        return self._options.largest_small, self._options.segment_size

    def facts(self) -> Mapping[str, str]:
        """What `check` found out about the server."""
        return self._check.facts()

    def url(self, key: str) -> str:
        return self._urls.url(key)

    def key_from_url(self, url: str) -> str:
        """Reads glance_store's URLs too."""
        return self._urls.key(url)

    def objects(self) -> Iterator[ObjectInfo]:
        self.expect_place()
        with storage_failures("listing objects"):
            try:
                yield from self._containers.objects()
            except errors.ObjectNotFound:
                self.prove_place()
                self._containers.expect()

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """By age, since Swift cannot tell which upload is alive."""
        self.prove_place()
        with storage_failures("listing leftovers"):
            yield from self._leftovers.older_than(older_than)

    def remove_leftover(self, leftover: Leftover) -> None:
        """Leaves alone what is not certain. Raises InvalidKey for a name that is not a leftover's."""
        self.expect_place()
        with storage_failures("removing a leftover"):
            self._leftovers.remove(leftover)

    def clear_leftovers(self, key: str) -> None:
        """In the wrong place nothing is missing, so it looks at the place first."""
        check_key(key)
        self.prove_place()
        with storage_failures("removing leftovers"):
            self._leftovers.remove_of(key)

    def space(self) -> Space:
        """What Swift's quotas leave."""
        self.expect_place()
        with storage_failures("measuring the space"):
            levels = self._quotas.levels(*self._containers.pair(PROBE_KEY))
        limits = [level.limit for level in levels if level.limit is not None]
        free = [max(0, level.limit - level.used) for level in levels if level.limit is not None]
        return Space(total=min(limits, default=None), free=min(free, default=None))

    def temporary_url(self, key: str, *, seconds: int) -> str:
        path = self._path(check_key(key))
        self.expect_place()
        with storage_failures("making a temporary URL"), configuration_blamed:
            return temporary_url(self._account, path, seconds=seconds, key=self._options.temp_url_key)

    def copy(self, source: str, target: str) -> ObjectInfo:
        path = self._path(check_key(source))
        check_key(target)
        self.expect_place()
        with OnFailure(self._missing), storage_failures("copying"):
            new = self._new(target)
            headers = self._head(source)
            info = described(self._account, path, headers)
            hold = self._reserve(target, info.size)
            try:
                with undone_copy(target, partial(undo_soon, "a copy", new.discard)):
                    copied = Copy(self._account, new, concurrency=self._options.concurrency).of(path, headers, info)
            except BaseException:
                if hold is not None:
                    hold.release()
                raise
        if hold is not None:
            hold.settle(info.size)
        return copied

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self._quotas.reserve(*self._containers.pair(key), size) if self._options.check_quota else None

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return SwiftWriter(self._new(key), self._account, self._options, size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        block_size, concurrency = self._options.read_block_size, self._options.read_concurrency
        wanted = Range(start, stop, etag)
        try:
            return open_reader(self._account, self._path(key), wanted, block_size=block_size, concurrency=concurrency)
        except errors.ObjectNotFound:
            self._expect_container()
            raise

    def _stat(self, key: str) -> ObjectInfo:
        return described(self._account, self._path(key), self._head(key))

    def _delete(self, key: str) -> None:
        with self._quotas.deleting(key):  # its bytes are given back once
            headers = self._head(key)
            size = described(self._account, self._path(key), headers).size
            self._deletion.object(self._path(key), headers)
            self._quotas.give_back(*self._containers.pair(key), size)
            self._containers.tidy(key)

    def _head(self, key: str) -> Headers:
        try:
            return self._account.head(self._path(key))
        except errors.ObjectNotFound:
            self._expect_container()
            raise

    def _expect_container(self) -> None:
        """Tells a missing object from a missing container. Where a mark is expected, `_missing` proves more."""
        if self.mark is None and self._containers.in_one:
            self._containers.expect()

    def _owner(self) -> str | None:
        """What tells the store's own segments, by their names; None where no mark is kept."""
        return None

    def _path(self, key: str) -> Path:
        return self._containers.of(key), key

    def _new(self, key: str) -> NewObject:
        return NewObject(
            key, owner=self._owner(), account=self._account, containers=self._containers, deletion=self._deletion
        )


class SwiftDriver(AccountDriver):
    """Objects in the store's own account. Raises ConfigurationError for options that cannot work."""

    OPTIONS = SwiftOptions.options()

    def __init__(self, **options: Any) -> None:
        values = SwiftOptions(**options)
        self._pool = Pool(values, keep=IDLE_FOR_EACH_SEGMENT * values.concurrency)
        self._own_token = StoreToken(values, self._credentials)
        self._cluster = Cluster(patience=values.read_timeout)
        naming: Naming = CallerNaming(values) if values.multi_tenant else StoreNaming(values)
        account = AccountClient(self._own_token, self._pool, self._cluster, values)
        self._notes = Notes(account, values.container)
        self._meters = Meters(age=values.quota_age)
        urls = StoreUrls(values, naming, self._credentials)
        super().__init__(values, account, naming=naming, urls=urls, meters=self._meters)

    def check(self) -> None:
        """Where every caller brings a token and the store has none, there is nothing to prove."""
        if self._options.own is not None or not self._options.multi_tenant:
            super().check()
        if self.mark is None:
            self.read_mark()

    @property
    def place(self) -> Place:
        """The account and the containers. What the callers' accounts hold has no mark."""
        return place_of(self._options)

    def read_mark(self) -> str | None:
        """What is in the object `.imgstore-place` of the main container."""
        if self._options.multi_tenant:
            return None
        with storage_failures("reading the mark"):
            return self._notes.read()

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """Creates the main container and that of the segments, if `create_container` allows it, and not to replace."""
        if self._options.multi_tenant:
            raise errors.UsageError("A store with multi_tenant keeps no mark: its containers are its callers'.")
        with storage_failures("marking the place"), configuration_blamed:
            (self._containers.expect if replace else self._containers.make)()
            return self._notes.write(mark, replace=replace)

    def read_epoch(self) -> int:
        """What is in the object `.imgstore-epoch` of the main container."""
        self.expect_place()
        with storage_failures("reading the epoch"):
            return self._notes.read_epoch()

    def write_epoch(self, epoch: int) -> None:
        """Stores that object anew."""
        self.expect_place()
        with storage_failures("noting the epoch"):
            self._notes.write_epoch(epoch)

    def for_context(self, context: object, *, url: str | None = None) -> StoreDriver:
        """With multi_tenant a driver on the caller's own account, or on the one in `url`."""
        if not self._options.multi_tenant or (context is None and url is None):
            return self
        token: Auth = self._own_token if context is None else multi_tenant.caller_token(context, self._options)
        auth = token if url is None else multi_tenant.Redirected(token, url)
        account = AccountClient(auth, self._pool, self._cluster, self._options)
        return CallersDriver(self._options, account, self._meters)

    def close(self) -> None:
        self._pool.close()

    def _owner(self) -> str | None:
        if self._options.multi_tenant:
            return None
        return owner_of(self._notes.known() if self.mark is None else self.mark)

    def _credentials(self) -> Credentials:
        found = self._options.credentials()
        if found is not None:
            return found
        raise NotAsConfigured("auth_url", "is not set, and no caller's token is there.", "Set it, or pass the context.")


class CallersDriver(AccountDriver):
    """Objects in a caller's account, through the connections of the store."""

    def __init__(self, options: SwiftOptions, account: AccountClient, meters: Meters) -> None:
        naming = CallerNaming(options)
        super().__init__(options, account, naming=naming, urls=Urls(prefix_of(account.url), naming), meters=meters)

    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        """Sets the ACL of the object's two containers."""
        check_key(key)
        headers = multi_tenant.shared_container_headers(self._options, public=public, readers=readers)
        with storage_failures("sharing an object"):
            self._containers.change(key, headers)
