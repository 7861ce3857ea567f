"""The stores of the house (`tests/semantics`) in S3: a folder each of one bucket, on Swift; `slow` behind a proxy."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from imgstore.drivers.s3 import S3Driver
from imgstore.model import MIB
from tests.semantics.storage import Storage
from tests.support.faults import FaultProxy, s3_error
from tests.support.swift import SwiftServer


class BucketStorage(Storage):
    """One bucket of a fresh account, so that one listing tells of all stores."""

    def __init__(self, server: SwiftServer, proxy: FaultProxy) -> None:
        self._server = server
        self._proxy = proxy
        self._account = server.account()
        self._bucket = self._account.container()
        self._segments = f"{self._bucket}+segments"
        self._owned: dict[str, set[str]] = {}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, server: SwiftServer) -> Iterator[Storage]:
        """A new bucket on `server`."""
        with FaultProxy(server.url) as proxy:
            yield cls(server, proxy)

    def driver(self, store: str) -> S3Driver:
        return S3Driver(
            endpoint_url=self._proxy.url if store == "slow" else self._server.url, bucket=self._bucket, prefix=store,
            region="us-east-1", access_key=self._account.access_key, secret_key=self._account.key, part_size=MIB,
            max_parts=1000,
        )  # fmt: skip

    def names(self) -> set[str]:
        objects = set(self._account.objects(self._bucket))
        if self._account.head(self._segments).status == 404:
            return objects
        segments = {f"{self._segments}/{name}" for name in self._account.objects(self._segments)}
        return objects | {f"parts/{name}" for name in segments - self._segments_of(objects)}

    def content(self, store: str, key: str) -> bytes:
        return self._account.get(f"{self._bucket}/{store}/{key}").body

    def replace(self, store: str, key: str, data: bytes) -> None:
        path = f"{self._bucket}/{store}/{key}"
        kept = self._account.head(path).headers
        ours = {name: value for name, value in kept.items() if name.startswith("x-object-meta-")}
        self._account.delete(path, query="multipart-manifest=delete")  # else its parts would stay
        assert self._account.put(path, data, headers=ours).status == 201

    @contextlib.contextmanager
    def without(self, store: str) -> Iterator[None]:
        assert store == "slow", "the others have no proxy"
        self._proxy.on(s3_error(404, "NoSuchBucket"), times=None)
        try:
            yield
        finally:
            self._proxy.heal()

    def _segments_of(self, objects: set[str]) -> set[str]:
        """The segments that objects refer to; asked once, since no attempt's key is used again."""
        for name in objects - self._owned.keys():
            answer = self._account.get(f"{self._bucket}/{name}", query="multipart-manifest=get")
            entries = json.loads(answer.body) if "x-static-large-object" in answer.headers else []
            self._owned[name] = {entry["name"].removeprefix("/") for entry in entries}
        return {segment for name in objects for segment in self._owned[name]}
