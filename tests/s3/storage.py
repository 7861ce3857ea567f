"""The stores of the house (`tests/semantics`) in S3: a folder each of one bucket, on Swift; `slow` behind a proxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from imgstore.driver.place import NOTES
from imgstore.drivers.s3 import S3Driver
from imgstore.model import MIB
from imgstore.testing.faults import FaultProxy, s3_error
from tests.s3.places import SwiftPlace
from tests.semantics.storage import Storage
from tests.support.swift import SwiftServer


class _Bucket(SwiftPlace):
    """Asks once which segments an object has, since no attempt's key is used again."""

    def __init__(self, server: SwiftServer) -> None:
        super().__init__(server)
        self._owned: dict[str, set[str]] = {}

    def _segments(self, key: str) -> set[str]:
        if key not in self._owned:
            self._owned[key] = super()._segments(key)
        return self._owned[key]


class BucketStorage(Storage):
    """One bucket of a fresh account, so that one listing tells of all stores."""

    def __init__(self, server: SwiftServer, proxy: FaultProxy) -> None:
        self._place = _Bucket(server)
        self._proxy = proxy

    @classmethod
    @contextlib.contextmanager
    def opened(cls, server: SwiftServer) -> Iterator[Storage]:
        """A new bucket on `server`."""
        with FaultProxy(server.url) as proxy:
            yield cls(server, proxy)

    def driver(self, store: str) -> S3Driver:
        url = self._proxy.url if store == "slow" else self._place.endpoint
        options = {**self._place.options, "endpoint_url": url, "prefix": store, "max_attempts": 5}
        options |= {"part_size": MIB, "read_block_size": MIB}
        return S3Driver(**options)

    def names(self) -> set[str]:
        return {name for name in self._place.names() if not name.endswith(NOTES)}

    def content(self, store: str, key: str) -> bytes:
        return self._place.account.get(f"{self._place.bucket}/{store}/{key}").body

    def replace(self, store: str, key: str, data: bytes) -> None:
        account, path = self._place.account, f"{self._place.bucket}/{store}/{key}"
        kept = account.head(path).headers
        ours = {name: value for name, value in kept.items() if name.startswith("x-object-meta-")}
        account.delete(path, query="multipart-manifest=delete")  # else its parts would stay
        assert account.put(path, data, headers=ours).status == 201

    @contextlib.contextmanager
    def without(self, store: str) -> Iterator[None]:
        assert store == "slow", "the others have no proxy"
        self._proxy.on(s3_error(404, "NoSuchBucket"), times=None)
        try:
            yield
        finally:
            self._proxy.heal()
