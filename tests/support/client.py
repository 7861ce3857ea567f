"""An HTTP client of the service for tests: whole requests, and uploads that a test holds open in the middle."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import struct
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 60.0
OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Answer:
    """One answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Client:
    """Requests of one project to the service at `url`."""

    def __init__(
        self, url: str, *, project: str | None = None, token: str | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = url
        self.tls = tls
        self.project = project
        self.token = token
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.address = (parts.hostname, parts.port)

    def of(self, project: str) -> Client:
        """The same for another project."""
        return Client(self.url, project=project)

    def bearing(self, token: str | None) -> Client:
        """The same with a token of Keystone, or without."""
        return Client(self.url, token=token)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own. An iterable body without Content-Length is sent chunked."""
        return send(method, f"{self.url}{path}", body=body, headers=self._headers(headers), trust=self.tls)

    def get(self, path: str, **headers: str) -> Answer:
        """GET; `headers` with underscores for dashes."""
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, value: object) -> Answer:
        """POST of a JSON value."""
        return self.request("POST", path, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})

    def create(self, **fields: object) -> str:
        """A new image, raw and bare unless said otherwise; returns its identifier."""
        answer = self.post("/v2/images", {"disk_format": "raw", "container_format": "bare", **fields})
        assert answer.status == 201, answer
        identifier: str = answer.json()["id"]
        return identifier

    def upload(
        self,
        image_id: str,
        body: bytes | Iterable[bytes],
        *,
        store: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """PUT of the data: bytes with Content-Length, an iterable chunked unless `headers` has a length."""
        sent = {**OCTETS, **({} if store is None else {"X-Image-Meta-Store": store}), **(headers or {})}
        return self.request("PUT", f"/v2/images/{image_id}/file", body=body, headers=sent)

    def download(self, image_id: str, **headers: str) -> Answer:
        """GET of the data."""
        return self.get(f"/v2/images/{image_id}/file", **headers)

    @contextlib.contextmanager
    def open_download(self, image_id: str) -> Iterator[http.client.HTTPResponse]:
        """A download that the test reads by itself."""
        connection = self._connection()
        try:
            connection.request("GET", f"/v2/images/{image_id}/file", headers=self._headers(None))
            response = connection.getresponse()
            assert response.status == 200
            yield response
        finally:
            connection.close()

    def show(self, image_id: str) -> dict[str, Any]:
        """The image, which must be there."""
        answer = self.get(f"/v2/images/{image_id}")
        assert answer.status == 200, answer
        image: dict[str, Any] = answer.json()
        return image

    def delete(self, image_id: str) -> Answer:
        """DELETE of the image."""
        return self.request("DELETE", f"/v2/images/{image_id}")

    def begin_upload(self, image_id: str, *, length: int | None, store: str | None = None) -> OpenUpload:
        """A PUT whose headers were taken: returns when the service asks for the body (100 Continue)."""
        headers = {**OCTETS, "Expect": "100-continue", **({} if store is None else {"X-Image-Meta-Store": store})}
        headers |= {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        connection = self.connect("PUT", f"/v2/images/{image_id}/file", headers)
        return OpenUpload(connection, chunked=length is None)

    def connect(self, method: str, path: str, headers: Mapping[str, str]) -> socket.socket:
        """A connection on which only the headers of a request were sent."""
        connection = socket.create_connection(self.address, timeout=TIMEOUT)
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_hostname=self.address[0])
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}"]
        lines += [f"{name}: {value}" for name, value in self._headers(headers).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        return http.client.HTTPSConnection(*self.address, timeout=TIMEOUT, context=self.tls)

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        own = {"X-Project-Id": self.project, "X-Auth-Token": self.token}
        return {**{name: value for name, value in own.items() if value is not None}, **(headers or {})}


class OpenUpload:
    """An upload in the middle: the service has begun it and waits for bytes."""

    def __init__(self, connection: socket.socket, *, chunked: bool) -> None:
        self._connection = connection
        self._chunked = chunked
        try:
            interim = _read_head(connection)
            assert interim.startswith(b"HTTP/1.1 100 "), interim
        except BaseException:
            connection.close()
            raise

    def send(self, data: bytes) -> None:
        """The next bytes of the body, as one chunk where it is chunked."""
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> Answer:
        """The answer, after the last byte."""
        if self._chunked:
            self._connection.sendall(b"0\r\n\r\n")
        return self.answer()

    def answer(self) -> Answer:
        """The answer, whatever was sent."""
        with self._connection:
            return read_answer(self._connection)

    def end_side(self) -> Answer:
        """Ends the client's side in the middle; the answer."""
        self._connection.shutdown(socket.SHUT_WR)
        return self.answer()

    def reset(self) -> None:
        """Resets the connection, as a client that dies does."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def close(self) -> None:
        """Closes the connection; a no-op after the answer."""
        self._connection.close()

    def __enter__(self) -> OpenUpload:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def send(
    method: str,
    url: str,
    *,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own; with TLS where there is a `trust`."""
    netloc = urllib.parse.urlsplit(url).netloc
    connection = (
        http.client.HTTPConnection(netloc, timeout=TIMEOUT)
        if trust is None
        else http.client.HTTPSConnection(netloc, timeout=TIMEOUT, context=trust)
    )
    with contextlib.closing(connection):
        connection.request(method, url[url.index("/", 8) :], body=body, headers=headers or {})
        return _answer(connection.getresponse())


def read_answer(connection: socket.socket) -> Answer:
    """The answer on a connection whose request was sent by hand."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return _answer(response)
    finally:
        response.close()


def first_line(connection: socket.socket) -> bytes:
    """Version and status of what comes first, interim answers (which `read_answer` passes over) included."""
    return connection.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL)


def new_id() -> str:
    """An identifier that no image has."""
    return str(uuid.uuid4())


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head
