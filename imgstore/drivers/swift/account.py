"""What is asked of one account of Swift: swiftclient's functions, each with what its answer means.

Paths are (container, object). Names of headers in answers are in lower case. A listing is paged. What this module
refuses to do: know keys, segments or manifests.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swiftclient import client  # type: ignore[import-untyped]  # it comes without types
from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # the same

from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.auth import Access
from imgstore.drivers.swift.connections import HashedSlices, HttpConnection, Slices
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.headers import expect, number
from imgstore.drivers.swift.requests import NONE, TRANSPORT_FAILURES, Requests, never

Headers = Mapping[str, str]
Path = tuple[str, str]
BLOCK = 256 * 1024
NO_HEADERS: Headers = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a listing; `modified` in seconds since the epoch."""

    name: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


class Stream:
    """An answer whose body is still to be read. `close` it, also in the middle."""

    def __init__(self, status: int, headers: Headers, body: Any, returned: Callable[[], None]) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._returned: Callable[[], None] | None = returned
        self._left = number(headers, "content-length")

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes, at most BLOCK; b"" at the end. Raises StoreUnavailable."""
        try:
            data: bytes = self._body.read(min(size, BLOCK))
        except TRANSPORT_FAILURES as error:
            raise swift_errors.from_transport(error, "reading") from None
        if self._left is not None:
            self._left -= len(data)
        return data

    def close(self) -> None:
        """Ends the body; a no-op the second time."""
        returned, self._returned = self._returned, None
        if returned is None:
            return
        try:
            if self._left == 0:
                self.read(1)  # which finds the end, so that the connection is kept
            self._body.close()
        finally:
            returned()


class Account(Requests):
    """One account."""

    def put(
        self, path: Path, data: memoryview, *, action: str, headers: Headers, refusals: Refusals = NONE,
        stopped: Callable[[], bool] = never,
    ) -> Headers:  # fmt: skip
        """Stores an object; the headers of the answer."""

        def send(access: Access, connection: HttpConnection) -> Headers:
            answer: dict[str, Any] = {}
            body = Slices(data) if data else b""
            client.put_object(
                access.url, access.token, *path, body, headers=headers, http_conn=connection, response_dict=answer
            )
            return _headers(answer)

        return self.ask(action, send, refusals=refusals, stopped=stopped)

    def put_verified(
        self, path: Path, data: memoryview, *, action: str, headers: Headers, stopped: Callable[[], bool] = never
    ) -> str:
        """Stores bytes whose md5 is reckoned while they are sent; the ETag that the answer and they agree upon. Raises
        IntegrityError if they differ whenever it is tried."""

        def send(access: Access, connection: HttpConnection) -> str:
            answer: dict[str, Any] = {}
            body = HashedSlices(data)
            client.put_object(
                access.url, access.token, *path, body, headers=headers, http_conn=connection, response_dict=answer
            )
            expect(etag := body.md5.hexdigest(), _headers(answer))
            return etag

        return self.ask(action, send, stopped=stopped)

    def get(
        self, path: Path, *, headers: Headers = NO_HEADERS, refusals: Refusals = NONE, query: str | None = None
    ) -> Stream:
        """Opens an object. 416 is an answer too, with no body: what it says of the object is of use."""

        def send(access: Access, connection: HttpConnection) -> Stream:
            answer: dict[str, Any] = {}
            try:
                body = client.get_object(
                    access.url, access.token, *path, resp_chunk_size=BLOCK, headers=dict(headers),
                    http_conn=connection, response_dict=answer, query_string=query,
                )[1]  # fmt: skip
            except ClientException as error:
                if error.http_status != 416:
                    raise
                body = _NoBody()
            return Stream(answer["status"], _headers(answer), body, lambda: self.returned(connection))

        return self.ask("reading", send, refusals=refusals, keep=True)

    def fetch(self, path: Path, *, query: str | None = None) -> Answer:
        """A whole small object."""
        stream = self.get(path, query=query)
        try:
            body = b"".join(iter(lambda: stream.read(BLOCK), b""))
        finally:
            stream.close()
        return Answer(stream.status, stream.headers, body)

    def head(self, path: Path, *, refusals: Refusals = NONE) -> Headers:
        """The headers of an object."""
        found: Headers = self.call("looking up an object", client.head_object, *path, refusals=refusals)
        return found

    def delete(self, path: Path) -> None:
        """Removes an object. Raises ObjectNotFound."""
        self.call("deleting", client.delete_object, *path)

    def copy(self, source: Path, target: Path, *, headers: Headers, refusals: Refusals = NONE) -> Headers:
        """Copies an object inside the account, its metadata replaced by `headers`."""
        answer: dict[str, Any] = {}
        self.call(
            "copying", client.copy_object, *source, destination=f"/{target[0]}/{target[1]}", headers=headers,
            fresh_metadata=True, response_dict=answer, refusals=refusals,
        )  # fmt: skip
        return _headers(answer)

    def delete_in_bulk(self, paths: Sequence[Path]) -> list[Path]:
        """Removes many objects with one request; those that could not be removed. Missing ones count as removed."""
        names = {f"/{container}/{name}": (container, name) for container, name in paths}
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}
        body = "\n".join(quote(name) for name in names).encode()
        answer = self.call(
            "deleting segments", client.post_account, headers, query_string="bulk-delete", data=body
        )[1]  # fmt: skip
        told = json.loads(answer)
        failed = [names[name] for name, _ in map(_named, told.get("Errors", ())) if name in names]
        if not failed and not str(told.get("Response Status", "")).startswith("200"):
            return list(paths)
        return failed

    def objects(self, container: str, *, prefix: str = "") -> Iterator[Entry]:
        """Every object in a container, in the order of the names. Raises ObjectNotFound where there is no container."""
        marker = ""
        while page := self.call("listing", client.get_container, container, prefix=prefix, marker=marker)[1]:
            yield from map(_entry, page)
            marker = page[-1]["name"]

    def containers(self, *, prefix: str) -> Iterator[str]:
        """The names of the containers that begin so."""
        marker = ""
        while page := self.call("listing", client.get_account, prefix=prefix, marker=marker)[1]:
            yield from (line["name"] for line in page)
            marker = page[-1]["name"]

    def head_container(self, container: str) -> Headers:
        """The headers of a container. Raises ObjectNotFound."""
        found: Headers = self.call("looking up a container", client.head_container, container)
        return found

    def put_container(self, container: str, headers: Headers, *, refusals: Refusals = NONE) -> None:
        """Creates a container; a no-op where it exists."""
        self.call("creating a container", client.put_container, container, headers=headers, refusals=refusals)

    def post_container(self, container: str, headers: Headers) -> None:
        """Changes what is said about a container. Raises ObjectNotFound."""
        self.call("changing a container", client.post_container, container, headers)

    def delete_container(self, container: str, *, refusals: Refusals = NONE) -> None:
        """Removes an empty container. Raises ObjectNotFound; 409 where it is not empty."""
        self.call("deleting a container", client.delete_container, container, refusals=refusals)

    def head_account(self) -> Headers:
        """The headers of the account."""
        found: Headers = self.call("looking up the account", client.head_account)
        return found

    def info(self) -> Mapping[str, Any]:
        """What the cluster says about itself; nothing where it keeps it for itself."""

        def send(access: Access, connection: HttpConnection) -> Mapping[str, Any]:
            parsed, http = connection
            try:
                found: Mapping[str, Any] = client.get_capabilities((parsed._replace(path="/info"), http))
            except ClientException as error:
                if error.http_status not in (401, 403, 404):
                    raise
                return {}
            return found

        try:
            return self.ask("asking for the limits", send)
        except ValueError:  # not JSON: some other server's page
            return {}


class _NoBody:
    """The body of an answer that was read already."""

    def read(self, size: int) -> bytes:
        return b""

    def close(self) -> None:
        return None


def _headers(answer: Mapping[str, Any]) -> Headers:
    return {name.lower(): value for name, value in answer["headers"].items()}


def _named(error: Sequence[str]) -> tuple[str, str]:
    """A line of a bulk deletion's errors: the name comes back quoted."""
    return client.unquote(error[0]), error[1]


def _entry(line: Mapping[str, Any]) -> Entry:
    modified = datetime.datetime.fromisoformat(line["last_modified"]).replace(tzinfo=datetime.timezone.utc)
    etag = line.get("slo_etag") or line["hash"]
    return Entry(line["name"], line["bytes"], etag.strip('"'), modified.timestamp())
