"""Drivers on one fresh account of a real Swift, and what is physically in it, asked with a bare client."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from imgstore.driver.place import new_mark
from imgstore.driver.ranged import PIECE
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing import Subject
from imgstore.testing.faults import FaultProxy
from tests.support.nowhere import refusing_address
from tests.support.swift import SwiftAccount, SwiftServer

CONTAINER = "images"
SIGNING = "the-key-that-signs-urls"
SEGMENTS = f"{CONTAINER}_segments"
REQUESTS = 192 * 1024
"""Bytes that requests take beside those of the object."""


class AccountSubject(Subject):
    """Drivers on one account; `options` are theirs."""

    every_fault = False  # all of them take a minute here

    def __init__(self, account: SwiftAccount, **options: Any) -> None:
        self.account = account
        self.borders = (options["segment_size"],)
        self.secrets = (account.key,)
        self.internals = (account.auth_url, CONTAINER, account.storage_url or account.auth_url)
        self._options = options

    def open(self, **options: Any) -> SwiftDriver:
        """A driver; `options` are for this one only."""
        return SwiftDriver(**{**self._options, **options})

    def neighbour(self) -> SwiftDriver:
        """Containers beside."""
        self.mark(container=f"{CONTAINER}-2")
        return self.open(container=f"{CONTAINER}-2")

    def mark(self, **options: Any) -> None:
        """Makes the place, as `imgstore check --create` does."""
        with contextlib.closing(self.open(**options)) as driver:
            driver.write_mark(new_mark())

    def broken(self) -> SwiftDriver:
        return self.open(auth_url=nowhere())

    def server(self) -> str:
        return self.account.auth_url

    def through(self, proxy: FaultProxy, *, timeout: float) -> SwiftDriver:
        """The address of the account comes with the token, and is made of the Host of the login."""
        return self.open(auth_url=proxy.url, read_timeout=timeout, max_attempts=1)

    def memory(self, size: int) -> int:
        """Segments that are sent, and one that fills; what came up to the threshold is the first of them. A download of
        less than a block is one body, in pieces: one that arrives, and one that is read."""
        segments = (self._options["concurrency"] + 1) * self._options["segment_size"]
        return int(max(segments, min(size, 2 * PIECE))) + REQUESTS

    def inventory(self) -> set[str]:
        """Segments count for the object whose manifest names them, and for nothing else."""
        found = self.account.everything()
        objects = {path for path in found if not path.partition("/")[0].endswith("_segments")}
        named = {name: path.partition("/")[2] for path in objects for name in segments_of(self.account, path)}
        return {named.get(path, path.partition("/")[2] if path in objects else path) for path in found}


class SwiftSubject(AccountSubject):
    """Drivers on a fresh account of a Swift with tempauth, with small segments, so that most objects are large ones."""

    def __init__(self, server: SwiftServer, *, border: int) -> None:
        account = server.account()
        super().__init__(account, **options_of(account, segment_size=border, max_attempts=2, temp_url_key=SIGNING))
        self.secrets = (*self.secrets, SIGNING)
        assert account.post("", headers={"X-Account-Meta-Temp-URL-Key": SIGNING}).status == 204
        self.mark()


def options_of(account: SwiftAccount, **others: Any) -> dict[str, Any]:
    """The options of a driver on an account of tempauth, which creates its containers; `others` replace them."""
    return {
        "auth_version": "1", "auth_url": account.auth_url, "username": account.login, "password": account.key,
        "container": CONTAINER, "create_container": True, "concurrency": 3, **others,
    }  # fmt: skip


def segments_of(account: SwiftAccount, path: str) -> list[str]:
    """`container/name` of every segment that an object's manifest names; none for one that is whole."""
    answer = account.get(path, query="multipart-manifest=get")
    assert answer.status == 200, answer
    if answer.headers.get("x-static-large-object") != "True":
        return []
    return [line["name"].removeprefix("/") for line in json.loads(answer.body)]


def nowhere() -> str:
    """An auth URL where nobody listens."""
    return f"http://{refusing_address()}/auth/v1.0"
