"""What is asked of one account of Swift: one method for each request. Keys, segments and manifests mean nothing here.

Paths are (container, object). Names of headers in answers are in lower case. Listings are read page by page.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from swiftclient import client  # type: ignore[import-untyped]  # it comes without types
from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # the same

from imgstore import errors
from imgstore.driver.deadline import Pace
from imgstore.drivers.swift.answers import BLOCK, NO_HEADERS, Headers, ListedObject, Stream, expect_etag, headers_in
from imgstore.drivers.swift.auth import Access, Auth
from imgstore.drivers.swift.cluster_limits import Cluster, Limits
from imgstore.drivers.swift.connections import HashedSlices, HttpConnection, Pool, Slices
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.drivers.swift.requests import NONE, Requests
from imgstore.model import MIB

Path = tuple[str, str]
LARGEST_FETCHED = 8 * MIB
"""Of the objects that are read whole: as long as a manifest may be."""
MOST_FETCHED = 8 * LARGEST_FETCHED
"""Bytes after which it is none: a server tells more of each segment than it was told, and may take longer ones."""


class AccountClient(Requests):
    """One account. `cluster`: what is known of the cluster, shared by all of its accounts."""

    def __init__(self, auth: Auth, pool: Pool, cluster: Cluster, options: SwiftOptions) -> None:
        super().__init__(auth, pool, max_attempts=options.max_attempts, patience=options.read_timeout)
        self._cluster = cluster

    def put(self, path: Path, data: memoryview, *, action: str, headers: Headers, refusals: Refusals = NONE) -> Headers:
        """Stores an object; the headers of the answer."""

        def send(access: Access, connection: HttpConnection) -> Headers:
            return _put(access, connection, path, Slices(data) if data else b"", headers)

        return self._ask(action, send, refusals=refusals, size=len(data))

    def put_verified(self, path: Path, data: memoryview, *, action: str, headers: Headers) -> str:
        """Stores bytes, whose md5 is computed while they are sent; returns that md5, which is the answer's ETag. Raises
        IntegrityError if they differ whenever it is tried."""

        def send(access: Access, connection: HttpConnection) -> str:
            body = HashedSlices(data)
            answer = _put(access, connection, path, body, headers)
            expect_etag(etag := body.md5.hexdigest(), answer)
            return etag

        return self._ask(action, send, size=len(data))

    def put_manifest(
        self, path: Path, manifest: bytes, *, heartbeats: int, headers: Headers, refusals: Refusals
    ) -> Headers:
        """Makes one object of the segments in a manifest; what the answer says of it. `heartbeats`, if any: Swift is to
        show that it is still at work, since it looks at every segment, and may take so many times longer.

        swiftclient's put_object would throw away the body of the answer. With a heartbeat the status is in there.
        """
        query = "multipart-manifest=put" + ("&heartbeat=on" if heartbeats else "")

        def send(access: Access, connection: HttpConnection) -> Headers:
            parsed, http = connection
            target = "/".join((parsed.path.rstrip("/"), *map(quote, path)))
            http.putrequest(f"{target}?{query}", manifest, {**headers, "X-Auth-Token": access.token})
            answer = http.getresponse()
            body = answer.read()
            told = _told(body) if answer.status == 202 else {}
            status = int(str(told.get("Response Status", answer.status))[:3])
            if not 200 <= status < 300:
                raise ClientException("The manifest was refused", http_status=status, http_response_content=body)
            return {**client.resp_header_dict(answer), **({"etag": told["Etag"]} if "Etag" in told else {})}

        return self._ask(
            "putting the segments together", send, refusals=refusals, size=len(manifest), heartbeats=heartbeats
        )

    def get(
        self, path: Path, *, headers: Headers = NO_HEADERS, refusals: Refusals = NONE, query: str | None = None,
        tries: int | None = None,
    ) -> Stream:  # fmt: skip
        """Opens an object. 416 is an answer too, without a body: its headers tell what the object is. `tries`: 1 where
        the caller tries again by itself."""

        def send(access: Access, connection: HttpConnection) -> Stream:
            answer: dict[str, Any] = {}
            options = {"headers": dict(headers), "http_conn": connection, "response_dict": answer}
            body = None
            try:
                body = client.get_object(
                    access.url, access.token, *path, resp_chunk_size=BLOCK, query_string=query, **options
                )[1]
            except ClientException as error:
                if error.http_status != 416:
                    raise
            pace, returned = Pace(self.patience), partial(self._pool.give_back, connection)
            return Stream(answer["status"], headers_in(answer), body, pace=pace, returned=returned)

        return self._ask("reading", send, refusals=refusals, tries=tries)

    def fetch(self, path: Path, *, query: str | None = None) -> bytes:
        """The bytes of a small object. Raises IntegrityError for a large one: a server without manifests, or a proxy
        that drops the query, sends a whole image."""
        found = bytearray()
        with self._time(LARGEST_FETCHED), contextlib.closing(self.get(path, query=query)) as stream:
            while data := stream.read(BLOCK):
                found += data
                if len(found) > MOST_FETCHED:
                    raise errors.IntegrityError("The store sends something else than was asked for: it is too large.")
        return bytes(found)

    def fetch_manifest(self, path: Path) -> list[dict[str, Any]] | None:
        """The lines of a static large object's manifest; None where the server does not show it. Ceph's gateway answers
        with nothing then."""
        text = self.fetch(path, query="multipart-manifest=get")
        try:
            lines: list[dict[str, Any]] | None = json.loads(text) if text else None
        except ValueError:
            raise errors.IntegrityError("The manifest of the object cannot be read.") from None
        return lines

    def head(self, path: Path) -> Headers:
        """The headers of an object. Raises ObjectNotFound."""
        found: Headers = self._call("looking up an object", client.head_object, *path)
        return found

    def delete(self, path: Path) -> None:
        """Removes an object. Raises ObjectNotFound."""
        self._call("deleting", client.delete_object, *path)

    def copy(self, source: Path, target: Path, *, headers: Headers, refusals: Refusals = NONE) -> Headers:
        """Copies an object inside the account, its metadata replaced by `headers`."""
        answer: dict[str, Any] = {}
        options: dict[str, Any] = {"destination": "/".join(("", *target)), "headers": headers, "fresh_metadata": True}
        self._call("copying", client.copy_object, *source, response_dict=answer, refusals=refusals, **options)
        return headers_in(answer)

    def delete_in_bulk(self, paths: Sequence[Path]) -> list[Path]:
        """Removes many objects with one request; returns those that could not be removed. A missing one counts as
        removed."""
        names = {f"/{container}/{name}": (container, name) for container, name in paths}
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}
        body = "\n".join(quote(name) for name in names).encode()
        answer = self._call("deleting segments", client.post_account, headers, query_string="bulk-delete", data=body)
        told = json.loads(answer[1])
        failed = [names[name] for name in (unquote(error[0]) for error in told.get("Errors", ())) if name in names]
        if not failed and not str(told.get("Response Status", "")).startswith("200"):
            return list(paths)
        return failed

    def objects(self, container: str, *, prefix: str = "") -> Iterator[ListedObject]:
        """Every object in a container, in the order of the names. Raises ObjectNotFound where there is no container."""
        for page in self._pages(client.get_container, container, prefix=prefix):
            yield from map(ListedObject.of, page)

    def containers(self, *, prefix: str) -> Iterator[str]:
        """The names of the containers that begin so."""
        for page in self._pages(client.get_account, prefix=prefix):
            yield from (line["name"] for line in page)

    def _pages(self, function: Callable[..., Any], *container: str, prefix: str) -> Iterator[list[dict[str, Any]]]:
        """Of a listing. Raises StoreUnavailable where one is the same again: a proxy may drop the marker."""
        marker = ""
        while page := self._call("listing", function, *container, prefix=prefix, marker=marker)[1]:
            yield page
            if page[-1]["name"] == marker:
                raise errors.StoreUnavailable("Image storage gave the same page of a listing again.")
            marker = page[-1]["name"]

    def head_container(self, container: str) -> Headers:
        """The headers of a container. Raises ObjectNotFound."""
        found: Headers = self._call("looking up a container", client.head_container, container)
        return found

    def put_container(self, container: str, headers: Headers, *, refusals: Refusals = NONE) -> None:
        """Creates a container; a no-op where it exists."""
        self._call("creating a container", client.put_container, container, headers=headers, refusals=refusals)

    def post_container(self, container: str, headers: Headers) -> None:
        """Changes the headers of a container. Raises ObjectNotFound."""
        self._call("changing a container", client.post_container, container, headers)

    def delete_container(self, container: str, *, refusals: Refusals = NONE) -> None:
        """Removes an empty container. Raises ObjectNotFound; 409 where it is not empty."""
        self._call("deleting a container", client.delete_container, container, refusals=refusals)

    def head_account(self) -> Headers:
        """The headers of the account."""
        found: Headers = self._call("looking up the account", client.head_account)
        return found

    @property
    def pins_large_objects(self) -> bool:
        """Whether `If-Match` with a large object's ETag may be sent."""
        return self._cluster.pins_large_objects

    def pins_no_large_objects(self) -> None:
        """One was met that the server does not compare by its ETag."""
        self._cluster.pins_large_objects = False

    @property
    def keeps(self) -> bool:
        """Whether the server honours `If-None-Match`: as a check found out, or else as OpenStack's own does."""
        return self._cluster.keeps if self._cluster.keeps is not None else self.limits().is_swift

    def knows_whether_it_keeps(self, keeps: bool) -> None:
        """A check found that out."""
        self._cluster.keeps = keeps

    def limits(self) -> Limits:
        """The limits of the cluster, asked for once. Raises StoreUnavailable."""
        return self._cluster.limits(self._info)

    def _info(self) -> Mapping[str, Any]:
        """What the cluster tells of itself; nothing where it does not."""

        def send(access: Access, connection: HttpConnection) -> Mapping[str, Any]:
            parsed, http = connection
            place = parsed.path.partition("/v1")[0]  # Ceph's gateway has all of Swift below a prefix
            try:
                found: Mapping[str, Any] = client.get_capabilities((parsed._replace(path=f"{place}/info"), http))
            except ClientException as error:
                if error.http_status not in (401, 403, 404):
                    raise
                return {}
            return found

        try:
            return self._ask("asking for the limits", send)
        except ValueError:  # not JSON: some other server's page
            return {}


def _put(access: Access, connection: HttpConnection, path: Path, body: object, headers: Headers) -> Headers:
    answer: dict[str, Any] = {}
    options = {"headers": headers, "http_conn": connection, "response_dict": answer}
    client.put_object(access.url, access.token, *path, body, **options)
    return headers_in(answer)


def _told(body: bytes) -> dict[str, Any]:
    """The answer that follows the signs of life."""
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError:
        raise errors.StoreUnavailable("Image storage is not available (its answer broke off).") from None
    return found
