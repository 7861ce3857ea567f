"""Which containers hold an object and its segments, that they are there, and which objects are in them.

One container; or many, named by the beginning of the key as glance_store does it; or, where every caller has an
account of their own, one for each object. Segments have a container of their own beside it.

The store's place (`make`) is its main container, and the container of segments where there is only one. The others are
created when first used, if the configuration allows that: a request for an object in a missing container gets 404. The
driver asks for nothing beforehand, so that this costs requests only where it happens. Then it proves that the place is
the right one, creates what is missing in it, and sends the request again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from imgstore import errors
from imgstore.driver import is_key
from imgstore.drivers.swift.account import AccountClient
from imgstore.drivers.swift.answers import Headers, ListedObject
from imgstore.drivers.swift.cluster_limits import MAX_MANIFEST
from imgstore.drivers.swift.dynamic_objects import described, is_dynamic, place_of_segments
from imgstore.drivers.swift.errors import NotAsConfigured, Passing
from imgstore.drivers.swift.options import SEGMENTS, SwiftOptions
from imgstore.model import ObjectInfo

T = TypeVar("T")
PAUSES = (0.0, 0.1, 0.4)
"""Seconds before each try to remove a container."""


class Naming(Protocol):
    """Names of containers. `own`: whether each object has containers of its own, so that a name tells the object."""

    own: bool

    def letters_of(self, key: str) -> int:
        """How many letters of the key are in its container's name."""

    def with_letters(self, key: str, letters: int) -> str:
        """The container of an object, where the name has so many letters of its key."""

    def container_of(self, key: str) -> str:
        """The container of the object itself."""

    def segments_of(self, key: str) -> str:
        """The container of its segments."""


class StoreNaming:
    """The names in the store's own account."""

    own = False

    def __init__(self, options: SwiftOptions) -> None:
        self._container = options.container
        self._segments = options.segments_container
        self._seed = options.multiple_containers_seed

    def letters_of(self, key: str) -> int:
        """Dashes among them do not count, as in glance_store."""
        return self._seed + key[: self._seed].count("-")

    def with_letters(self, key: str, letters: int) -> str:
        """They are small ones."""
        return f"{self._container}_{key.lower()[:letters]}" if letters else self._container

    def container_of(self, key: str) -> str:
        """The only one, or one of many."""
        return self.with_letters(key, self.letters_of(key))

    def segments_of(self, key: str) -> str:
        """The one that is configured, or one beside the object's."""
        return self._segments or self.container_of(key) + SEGMENTS


class CallerNaming:
    """The names in a caller's account: two containers for each object, so that each can be shared by itself."""

    own = True

    def __init__(self, options: SwiftOptions) -> None:
        self._container = options.container

    def letters_of(self, key: str) -> int:
        """All of them."""
        return len(key)

    def with_letters(self, key: str, letters: int) -> str:
        """As in glance_store's multi-tenant store."""
        return f"{self._container}_{key[:letters]}"

    def container_of(self, key: str) -> str:
        """One of its own."""
        return self.with_letters(key, len(key))

    def segments_of(self, key: str) -> str:
        """One beside the object's."""
        return self.container_of(key) + SEGMENTS


class Containers:
    """The containers of one account: `of` an object, `segments_of` it. `headers`: of those that are created. `prove`
    raises WrongPlace where none may be created."""

    def __init__(
        self, account: AccountClient, naming: Naming, options: SwiftOptions, *,
        headers: Headers, prove: Callable[[], object],
    ) -> None:  # fmt: skip
        self._account = account
        self._naming = naming
        self._options = options
        self._headers = headers
        self._prove = prove
        self.main = options.container
        self.own = naming.own
        self.of = naming.container_of
        self.segments_of = naming.segments_of
        self.letters_of = naming.letters_of

    def pair(self, key: str) -> tuple[str, str]:
        """The containers of the object and of its segments."""
        return self.of(key), self.segments_of(key)

    def homes(self, key: str, segments: str, letters: int | None) -> set[str]:
        """The containers in which the manifest of segments may be, which are in the container `segments`: where such an
        object would be now, and where it was when its name had so many letters of the key; None: nobody knows."""
        if self.own:
            return {self.of(key)}
        if letters is not None:
            return {self.of(key), self._naming.with_letters(key, letters)}
        beside = {segments.removesuffix(SEGMENTS)} if segments.endswith(SEGMENTS) else set()
        return {self.of(key), self.main} | beside

    def all_of_segments(self) -> Iterator[str]:
        """The containers of segments, which may not be there yet. Those of others may be among them."""
        if self._options.segments_container is not None:
            yield self._options.segments_container
        elif self.in_one:
            yield self.main + SEGMENTS
        else:
            yield from (name for name in self._named() if name.endswith(SEGMENTS))

    def objects(self) -> Iterator[ObjectInfo]:
        """Every object. Raises ObjectNotFound if there is no main container."""
        if not self.in_one:
            for container in list(self._of_many()):
                with contextlib.suppress(errors.ObjectNotFound):
                    yield from self._objects_in(container)
        else:
            yield from self._objects_in(self.main)

    def make(self) -> None:
        """Creates what the place consists of, if the configuration allows that. Raises NotAsConfigured."""
        if self._options.create_container:
            self._put(self.fixed())
        else:
            for container in self.fixed():
                self.expect_container(container)

    def fixed(self) -> list[str]:
        """What the place consists of: the main container, and that of segments where there is only one."""
        segments = self._options.segments_container or (self.main + SEGMENTS if self.in_one else None)
        return [self.main] if segments is None else [self.main, segments]

    def in_place(self, key: str, put: Callable[[], T]) -> T:
        """What `put` returns, which stores an object or a segment of `key`; once more, if a container was missing."""
        try:
            return put()
        except errors.ObjectNotFound:
            self._create(key)
        try:
            return put()
        except errors.ObjectNotFound as error:
            raise Passing(
                "Image storage is not available (its container was just created).", detail=str(error)
            ) from None

    def expect(self) -> None:
        """Raises NotAsConfigured unless there is the main container."""
        self.expect_container(self.main)

    def expect_container(self, container: str) -> None:
        """Raises NotAsConfigured unless there is this container."""
        try:
            self._account.head_container(container)
        except errors.ObjectNotFound:
            raise missing(container) from None

    def change(self, key: str, headers: Headers) -> None:
        """Changes the headers of an object's containers. What glance_store wrote has one. Raises ObjectNotFound."""
        container, segments = self.pair(key)
        self._account.post_container(container, headers)
        with contextlib.suppress(errors.ObjectNotFound):
            self._account.post_container(segments, headers)

    def tidy(self, key: str) -> None:
        """Removes the containers of an object that is gone, where they were its own and are empty."""
        if not self._naming.own:
            return
        for container in self.pair(key):
            self._remove_empty(container)

    def _remove_empty(self, container: str) -> None:
        """Removes a container, unless it has objects. Swift counts for a moment what is gone."""
        in_use = errors.ObjectExists("The container is not empty.")
        for pause in PAUSES:
            time.sleep(pause)
            with contextlib.suppress(errors.ObjectExists):
                with contextlib.suppress(errors.ObjectNotFound):
                    self._account.delete_container(container, refusals={409: in_use})
                return

    def _create(self, key: str) -> None:
        """Creates the containers of `key`, in a place that is there. Raises WrongPlace, NotAsConfigured."""
        pair = self.pair(key)
        if not self._naming.own:
            self._prove()
            self.expect()
            if not self._options.create_container:
                raise missing(pair[0] if pair[0] != self.main else pair[1])
        self._put(name for name in pair if name != self.main)

    def _put(self, containers: Iterable[str]) -> None:
        policy = self._options.storage_policy
        headers = {**self._headers, **({"X-Storage-Policy": policy} if policy else {})}
        refused = NotAsConfigured("storage_policy", f"'{policy}' is refused.", "Name one that the cluster has.")
        there = errors.ObjectExists("The container is there, of another policy.")
        for container in containers:
            with contextlib.suppress(errors.ObjectExists):
                self._account.put_container(container, headers, refusals={400: refused, 409: there} if policy else {})

    @property
    def in_one(self) -> bool:
        """Whether all objects are in one container."""
        return self.of("0") == self.main

    def _named(self) -> Iterator[str]:
        return self._account.containers(prefix=f"{self.main}_")

    def _of_many(self) -> Iterator[str]:
        """The containers of objects that are there. A name is one of them if the letters in it would lead to it."""
        for name in self._named():
            letters = name[len(self.main) + 1 :]
            if letters and self.of(letters) == name and name != self._options.segments_container:
                yield name

    def _objects_in(self, container: str) -> Iterator[ObjectInfo]:
        """The objects in a listing. It shows a dynamic large object as empty, and glance_store's segments beside it. So
        empty objects are looked up, where need be others too, and what a manifest names as its segments is left out."""
        segments: str | None = None
        for each in self._account.objects(container):
            if not is_key(each.name) or self.of(each.name) != container:
                continue
            if segments is not None and each.name.startswith(segments):
                continue
            if each.size and not self._may_be_manifest(each):
                yield ObjectInfo(each.name, each.size, each.etag, each.modified)
                continue
            found = self._looked_up(container, each)
            if found is not None:
                info, segments = found
                yield info

    def _may_be_manifest(self, each: ListedObject) -> bool:
        """Whether the size may be a manifest's own, as Ceph's gateway lists it."""
        return each.size <= MAX_MANIFEST and not self._account.limits().is_swift

    def _looked_up(self, container: str, each: ListedObject) -> tuple[ObjectInfo, str | None] | None:
        """What an object is whose size is not in the listing, and how the names of its segments begin, if they are in
        the same container. None if it is gone."""
        path = (container, each.name)
        try:
            headers = self._account.head(path)
            info = described(self._account, path, headers)
        except errors.ObjectNotFound:
            return None
        where, prefix = place_of_segments(headers) if is_dynamic(headers) else ("", "")
        return info, prefix if where == container and prefix else None


def missing(container: str) -> NotAsConfigured:
    """The error for a container that is not there."""
    cure = "Set create_container = true, and for a new store: imgstore check --create. Or create it yourself."
    return NotAsConfigured("create_container", f"container '{container}' is missing.", cure)
