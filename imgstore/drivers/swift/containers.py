"""Which containers hold an object and its segments, and that they are there.

One container; or many, named after the beginning of the key as glance_store does it; or, where every caller has an
account of their own, one for each object. Segments have a container of their own beside it.

A container that is missing shows as 404 to a request for an object. Nothing is asked beforehand, so that this costs a
request only where it happens: then missing containers are created, if the configuration wants that, and the request is
sent again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from imgstore import errors
from imgstore.drivers.swift.account import Account, Headers
from imgstore.drivers.swift.errors import NotAsConfigured, Passing
from imgstore.drivers.swift.settings import SEGMENTS, Settings

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

    def __init__(self, settings: Settings) -> None:
        self._container = settings.container
        self._segments = settings.segments_container
        self._seed = settings.multiple_containers_seed

    def container_of(self, key: str) -> str:
        """See Naming. Dashes among the letters do not count, as in glance_store."""
        if not self._seed:
            return self._container
        name = key.lower()
        letters = self._seed + name[: self._seed].count("-")
        return f"{self._container}_{name[:letters]}"

    def segments_of(self, key: str) -> str:
        """See Naming."""
        return self._segments or self.container_of(key) + SEGMENTS


class CallerNaming:
    """The names in a caller's account: two containers for each object, so that each can be shared by itself."""

    own = True

    def __init__(self, settings: Settings) -> None:
        self._container = settings.container

    def container_of(self, key: str) -> str:
        """See Naming, and glance_store's multi-tenant store."""
        return f"{self._container}_{key}"

    def segments_of(self, key: str) -> str:
        """See Naming."""
        return self.container_of(key) + SEGMENTS


class Containers:
    """The containers of one account."""

    def __init__(self, account: Account, naming: Naming, settings: Settings, *, headers: Headers) -> None:
        self._account = account
        self._naming = naming
        self._settings = settings
        self._headers = headers

    def of(self, key: str) -> str:
        """The container of an object."""
        return self._naming.container_of(key)

    def segments_of(self, key: str) -> str:
        """The container of its segments."""
        return self._naming.segments_of(key)

    def _in_one(self) -> bool:
        """Whether all objects are in one container."""
        return self._naming.container_of("0") == self._settings.container

    def all(self) -> Iterator[str]:
        """The containers of objects that are there."""
        if self._in_one():
            yield self._settings.container
            return
        for name in self._account.containers(prefix=f"{self._settings.container}_"):
            if not name.endswith(SEGMENTS) and name != self._settings.segments_container:
                yield name

    def all_of_segments(self) -> Iterator[str]:
        """The containers of segments, which may not be there yet."""
        if self._settings.segments_container is not None:
            yield self._settings.segments_container
        elif self._in_one():
            yield self._settings.container + SEGMENTS
        else:
            for name in self._account.containers(prefix=f"{self._settings.container}_"):
                if name.endswith(SEGMENTS):
                    yield name

    def in_place(self, key: str, put: Callable[[], T]) -> T:
        """What `put` returns, which stores an object or a segment of `key`; once more, if a container was missing."""
        try:
            return put()
        except errors.ObjectNotFound:
            self.create(key)
        try:
            return put()
        except errors.ObjectNotFound as error:
            raise Passing(
                "Image storage is not available (its container was just created).", detail=str(error)
            ) from None

    def create(self, key: str) -> None:
        """Creates the containers of `key`. Raises NotAsConfigured where the configuration does not want it."""
        containers = (self.of(key), self.segments_of(key))
        if not (self._settings.create_container or self._naming.own):
            raise NotAsConfigured(
                "create_container", f"container '{containers[0]}' or '{containers[1]}' is missing.",
                "Create both, or set create_container = true.",
            )  # fmt: skip
        policy = self._settings.storage_policy
        headers = {**self._headers, **({"X-Storage-Policy": policy} if policy else {})}
        refused = NotAsConfigured("storage_policy", f"'{policy}' is refused.", "Name one that the cluster has.")
        there = errors.ObjectExists("The container is there, of another policy.")
        for container in containers:
            with contextlib.suppress(errors.ObjectExists):
                self._account.put_container(container, headers, refusals={400: refused, 409: there} if policy else {})

    def expect(self, key: str) -> None:
        """Tells a missing object from a missing container, for which the configuration is to blame. Where containers
        are created when first used, a missing one is an empty one."""
        if self._settings.create_container or not self._in_one():
            return
        try:
            self._account.head_container(self.of(key))
        except errors.ObjectNotFound:
            raise NotAsConfigured(
                "container", f"'{self.of(key)}' is missing.", "Create it, or set create_container = true."
            ) from None

    def tidy(self, key: str) -> None:
        """Removes the containers of an object that is gone, where they were its own; what holds something stays."""
        if not self._naming.own:
            return
        holds_something = errors.ObjectExists("The container is not empty.")
        for container in (self.of(key), self.segments_of(key)):
            with contextlib.suppress(errors.ObjectNotFound, errors.ObjectExists):
                self._account.delete_container(container, refusals={409: holds_something})
