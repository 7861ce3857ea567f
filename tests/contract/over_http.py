"""A small server for objects, in this process, and a driver that asks it: what mutants that meet faults are made of."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, storage_failures
from imgstore.model import ObjectInfo
from imgstore.testing import Subject
from imgstore.testing.faults import FaultProxy

PART = 1024
TOKEN = "t0ken-of-the-s3rver"
KINDS: dict[int, Callable[[str], errors.ImgstoreError]] = {
    404: errors.ObjectNotFound, 409: errors.ObjectExists, 412: errors.ObjectChanged,
    416: errors.RangeNotSatisfiable,
}  # fmt: skip


class Storage:
    """Objects by key: their upload, which is their ETag, and their bytes. Parts by key, upload and number."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.parts: dict[tuple[str, str, int], bytes] = {}
        self.lock = threading.Lock()

    def put(self, key: str, data: bytes, *, upload: str) -> int:
        if self.objects.setdefault(key, (upload, data))[0] != upload:
            return 409
        self.forget(key, upload)
        return 201

    def complete(self, key: str, *, upload: str) -> int:
        mine = sorted(each for each in self.parts if each[:2] == (key, upload))
        return self.put(key, b"".join(self.parts[each] for each in mine), upload=upload)

    def undo(self, key: str, *, upload: str) -> int:
        self.forget(key, upload)
        if self.objects.get(key, ("",))[0] == upload:
            del self.objects[key]
        return 204

    def forget(self, key: str, upload: str | None = None) -> int:
        for each in [each for each in self.parts if each[0] == key and upload in (None, each[1])]:
            del self.parts[each]
        return 204

    def names(self) -> set[str]:
        with self.lock:
            return {*self.objects, *("/".join(map(str, each)) for each in self.parts)}


class Handler(BaseHTTPRequestHandler):
    """What the server does: the first word of the path says what, the second is the key."""

    storage: ClassVar[Storage]

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client went
            super().handle()

    def _answer(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _do(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        _, what, *key = url.path.split("/")
        arguments: dict[str, Any] = dict(urllib.parse.parse_qsl(url.query))
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            return
        with self.storage.lock:
            getattr(self, f"_{self.command.lower()}_{what}")(*key, body=body, **arguments)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do  # noqa: N815 - names of the base

    def _put_part(self, key: str, *, body: bytes, upload: str, number: str) -> None:
        self.storage.parts[key, upload, int(number)] = body
        self._answer(201)

    def _put_object(self, key: str, *, body: bytes, upload: str) -> None:
        self._answer(self.storage.put(key, body, upload=upload))

    def _post_object(self, key: str, *, body: bytes, upload: str) -> None:
        self._answer(self.storage.complete(key, upload=upload))

    def _post_copy(self, key: str, *, body: bytes, upload: str, source: str) -> None:
        found = self.storage.objects.get(source)
        self._answer(self.storage.put(key, found[1], upload=upload) if found else 404)

    def _post_half(self, key: str, *, body: bytes) -> None:
        upload, data = self.storage.objects[key]
        self.storage.objects[key] = upload, data[: len(data) // 2]
        self._answer(204)

    def _delete_upload(self, key: str, *, body: bytes, upload: str) -> None:
        self._answer(self.storage.undo(key, upload=upload))

    def _delete_parts(self, key: str, *, body: bytes) -> None:
        self._answer(self.storage.forget(key))

    def _delete_object(self, key: str, *, body: bytes) -> None:
        self._answer(204 if self.storage.objects.pop(key, None) else 404)

    def _get_object(self, key: str, *, body: bytes, start: str = "0", stop: str = "", etag: str = "") -> None:
        found, data = self.storage.objects.get(key, ("", b""))
        status = 404 if not found else 412 if etag not in ("", found) else 200
        piece = data[int(start) : int(stop) if stop else None] if status == 200 else b""
        self._answer(status, piece, ETag=f'"{found}"', X_Size=len(data))

    _head_object = _get_object

    def _get_objects(self, *, body: bytes) -> None:
        self._answer(200, json.dumps({key: len(data) for key, (_, data) in self.storage.objects.items()}).encode())

    def log_message(self, *arguments: object) -> None:
        """Nothing is told."""


class HttpDriver(StoreDriver):
    """Asks once, each time by a connection of its own."""

    OPTIONS = ()

    def __init__(self, address: str, *, timeout: float | None) -> None:
        self.address, self.timeout = address, timeout

    def ask(self, method: str, what: str, body: bytes = b"", **arguments: object) -> tuple[dict[str, str], bytes]:
        """Headers and body of the answer."""
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=self.timeout)) as connection:
            connection.request(method, f"/{what}?{urllib.parse.urlencode(arguments)}", body=body)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status >= 300:
                raise KINDS.get(answer.status, errors.StoreUnavailable)(f"The server said {answer.status}.")
            return dict(answer.headers), data

    def check(self) -> None:
        with storage_failures("checking"):
            self.ask("GET", "objects")

    def url(self, key: str) -> str:
        return f"http://objects.invalid/{key}"

    def key_from_url(self, url: str) -> str:
        return url.rpartition("/")[2]

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return HttpWriter(self, key)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return HttpReader(self, self._stat(key), start)

    def _stat(self, key: str) -> ObjectInfo:
        headers, _ = self.ask("HEAD", f"object/{key}")
        return ObjectInfo(key, int(headers["X-Size"]), etag=headers["ETag"].strip('"'))

    def _delete(self, key: str) -> None:
        self.ask("DELETE", f"object/{key}")

    def objects(self) -> Iterator[ObjectInfo]:
        with storage_failures("listing"):
            _, body = self.ask("GET", "objects")
            return iter([ObjectInfo(key, size) for key, size in json.loads(body).items()])

    def clear_leftovers(self, key: str) -> None:
        with storage_failures("clearing"):
            self.ask("DELETE", f"parts/{key}")

    def copy(self, source: str, target: str) -> ObjectInfo:
        upload = uuid.uuid4().hex
        with storage_failures("copying"):
            try:
                self.ask("POST", f"copy/{target}", source=source, upload=upload)
                return self._stat(target)
            except (errors.StoreError, OSError, http.client.HTTPException):
                self.ask("DELETE", f"upload/{target}", upload=upload)
                raise


class HttpWriter(ObjectWriter):
    """One request for a small object; parts of PART bytes for a large one."""

    def __init__(self, driver: HttpDriver, key: str) -> None:
        self.driver, self.key, self.upload = driver, key, uuid.uuid4().hex
        self.number, self.kept = 0, b""

    def _write(self, chunk: bytes | memoryview) -> None:
        self.kept += chunk
        while len(self.kept) > PART:
            self._send(self.kept[:PART])
            self.kept = self.kept[PART:]

    def _send(self, data: bytes) -> None:
        self.driver.ask("PUT", f"part/{self.key}", data, upload=self.upload, number=self.number)
        self.number += 1

    def _commit(self) -> ObjectInfo:
        if self.number:
            self._send(self.kept)
            self.driver.ask("POST", f"object/{self.key}", upload=self.upload)
        else:
            self.driver.ask("PUT", f"object/{self.key}", self.kept, upload=self.upload)
        return ObjectInfo(self.key, self.total, etag=self.upload)

    def _abort(self) -> None:
        self.driver.ask("DELETE", f"upload/{self.key}", upload=self.upload)


class HttpReader(ObjectReader):
    """One request for PART bytes at most."""

    def __init__(self, driver: HttpDriver, info: ObjectInfo, start: int) -> None:
        self.driver, self.info, self.at = driver, info, start

    def _read(self, size: int) -> bytes:
        stop = self.at + min(size, PART)
        _, data = self.driver.ask("GET", f"object/{self.info.key}", start=self.at, stop=stop, etag=self.info.etag)
        self.at += len(data)
        return data

    def _close(self) -> None:
        """Nothing is open."""


class HttpSubject(Subject):
    """Drivers of one class on a new server, which runs inside `with`."""

    secrets = (TOKEN,)
    borders = (PART,)
    arrives_within = 0.0
    shared = False
    handler: ClassVar[type[Handler]] = Handler

    def __init__(self, driver: type[HttpDriver] = HttpDriver, *, every_fault: bool = True) -> None:
        self.driver = driver
        self.every_fault = every_fault
        self.storage = Storage()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (self.handler,), {"storage": self.storage}))
        self._address = f"127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[HttpSubject]:
        """Serves meanwhile."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def open(self) -> HttpDriver:
        return HttpDriver(self._address, timeout=20.0)

    def broken(self) -> HttpDriver:
        return HttpDriver("127.0.0.1:1", timeout=20.0)

    def server(self) -> str:
        return f"http://{self._address}"

    def through(self, proxy: FaultProxy, *, timeout: float) -> HttpDriver:
        return self.driver(proxy.url.removeprefix("http://"), timeout=timeout)

    def inventory(self) -> set[str]:
        return self.storage.names()
