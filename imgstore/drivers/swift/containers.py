"""Which containers hold an object and its segments, that they are there, and which objects are in them.

One container; or many, named by the beginning of the key as glance_store does it; or, where every caller has an
account of their own, one for each object. Segments have a container of their own beside it.

A request for an object in a missing container gets 404. The driver asks for nothing beforehand, so that this costs a
request only where it happens: then it creates the missing containers, if the configuration allows that, and sends the
request again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from imgstore import errors
from imgstore.driver import is_key
from imgstore.drivers.swift.account import AccountClient
from imgstore.drivers.swift.answers import Headers, ListedObject
from imgstore.drivers.swift.dynamic_objects import described, is_dynamic, place_of_segments
from imgstore.drivers.swift.errors import NotAsConfigured, Passing
from imgstore.drivers.swift.options import SEGMENTS, SwiftOptions
from imgstore.model import ObjectInfo

T = TypeVar("T")


class Naming(Protocol):
    """Names of containers. `own`: whether each object has containers of its own."""

    own: bool

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

    def container_of(self, key: str) -> str:
        """With so many letters of the key; dashes among them do not count, as in glance_store."""
        if not self._seed:
            return self._container
        name = key.lower()
        letters = self._seed + name[: self._seed].count("-")
        return f"{self._container}_{name[:letters]}"

    def segments_of(self, key: str) -> str:
        """The one that is configured, or one beside the object's."""
        return self._segments or self.container_of(key) + SEGMENTS


class CallerNaming:
    """The names in a caller's account: two containers for each object, so that each can be shared by itself."""

    own = True

    def __init__(self, options: SwiftOptions) -> None:
        self._container = options.container

    def container_of(self, key: str) -> str:
        """As in glance_store's multi-tenant store."""
        return f"{self._container}_{key}"

    def segments_of(self, key: str) -> str:
        """One beside the object's."""
        return self.container_of(key) + SEGMENTS


class Containers:
    """The containers of one account: `of` an object, `segments_of` it. `headers`: of those that are created."""

    def __init__(self, account: AccountClient, naming: Naming, options: SwiftOptions, *, headers: Headers) -> None:
        self._account = account
        self._naming = naming
        self._options = options
        self._headers = headers
        self.of = naming.container_of
        self.segments_of = naming.segments_of

    def pair(self, key: str) -> tuple[str, str]:
        """The containers of the object and of its segments."""
        return self.of(key), self.segments_of(key)

    def all_of_segments(self) -> Iterator[str]:
        """The containers of segments, which may not be there yet."""
        if self._options.segments_container is not None:
            yield self._options.segments_container
        elif self._in_one():
            yield self._options.container + SEGMENTS
        else:
            yield from (name for name in self._named() if name.endswith(SEGMENTS))

    def objects(self) -> Iterator[ObjectInfo]:
        """Every object. A container that is missing, where it is created when first used, has none."""
        for container in list(self._all()):
            try:
                yield from self._objects_in(container)
            except errors.ObjectNotFound:
                self.expect("0")

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

    def expect(self, key: str) -> None:
        """Tells a missing object from a missing container, for which the configuration is to blame. Where containers
        are created when first used, a missing one is an empty one."""
        if self._options.create_container or not self._in_one():
            return
        try:
            self._account.head_container(self.of(key))
        except errors.ObjectNotFound:
            raise NotAsConfigured(
                "container", f"'{self.of(key)}' is missing.", "Create it, or set create_container = true."
            ) from None

    def tidy(self, key: str) -> None:
        """Removes the containers of an object that is gone, where they were its own and are empty."""
        if not self._naming.own:
            return
        in_use = errors.ObjectExists("The container is not empty.")
        for container in self.pair(key):
            with contextlib.suppress(errors.ObjectNotFound, errors.ObjectExists):
                self._account.delete_container(container, refusals={409: in_use})

    def _create(self, key: str) -> None:
        """Creates the containers of `key`. Raises NotAsConfigured where the configuration does not allow it."""
        pair = self.pair(key)
        if not (self._options.create_container or self._naming.own):
            problem = f"container '{pair[0]}' or '{pair[1]}' is missing."
            raise NotAsConfigured("create_container", problem, "Create both, or set create_container = true.")
        policy = self._options.storage_policy
        headers = {**self._headers, **({"X-Storage-Policy": policy} if policy else {})}
        refused = NotAsConfigured("storage_policy", f"'{policy}' is refused.", "Name one that the cluster has.")
        there = errors.ObjectExists("The container is there, of another policy.")
        for container in pair:
            with contextlib.suppress(errors.ObjectExists):
                self._account.put_container(container, headers, refusals={400: refused, 409: there} if policy else {})

    def _in_one(self) -> bool:
        """Whether all objects are in one container."""
        return self.of("0") == self._options.container

    def _named(self) -> Iterator[str]:
        return self._account.containers(prefix=f"{self._options.container}_")

    def _all(self) -> Iterator[str]:
        """The containers of objects that are there."""
        if self._in_one():
            yield self._options.container
            return
        for name in self._named():
            if not name.endswith(SEGMENTS) and name != self._options.segments_container:
                yield name

    def _objects_in(self, container: str) -> Iterator[ObjectInfo]:
        """The objects in a listing. It shows a dynamic large object as empty, and glance_store's segments beside it. So
        empty objects are looked up, and what a manifest names as its segments is left out."""
        segments: str | None = None
        for each in self._account.objects(container):
            if not is_key(each.name) or self.of(each.name) != container:
                continue
            if segments is not None and each.name.startswith(segments):
                continue
            if each.size:
                yield ObjectInfo(each.name, each.size, each.etag, each.modified)
                continue
            found = self._looked_up(container, each)
            if found is not None:
                info, segments = found
                yield info

    def _looked_up(self, container: str, each: ListedObject) -> tuple[ObjectInfo, str | None] | None:
        """What an object without bytes is, and how the names of its segments begin, if they are in the same container.
        None if it is gone."""
        path = (container, each.name)
        try:
            headers = self._account.head(path)
            info = described(self._account, path, headers)
        except errors.ObjectNotFound:
            return None
        where, prefix = place_of_segments(headers) if is_dynamic(headers) else ("", "")
        return info, prefix if where == container and prefix else None
