"""A host in this process whose application can be replaced by a broken one: catalog and store are in memory, and one
real server serves them all."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgstore import DownloadService, UploadService, errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.catalog import SIGNATURE, MemoryCatalog, require_unsigned
from imgstore.drivers.memory import MemoryDriver
from imgstore.http import ImageData
from imgstore.model import Attempt, UploadRequest
from imgstore.quota import MemoryQuota, Quota
from imgstore.service.server.server import Server
from imgstore.store import Store, StoreSet
from imgstore.testing import HostSubject
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.upload import UploadSettings
from tests.contract.hosts.subjects import next_number

LARGEST, QUOTA = 200_000, 300_001
USER = "HTTP_X_USER"

Environ = dict[str, Any]
Start = Callable[..., Any]


def user_of(environ: Mapping[str, Any]) -> object:
    """Who calls."""
    if not environ.get(USER):
        raise errors.Unauthenticated("Say who you are as X-User.")
    return environ[USER]


class _Catalog(MemoryCatalog):
    """Some images are said to be signed."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: set[str] = set()

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        require_unsigned(dict.fromkeys(SIGNATURE, "x") if request.image_id in self.signed else {})
        return super().begin(request, stores)


class House(HostSubject):
    """The host, which keeps the contract, and its subject."""

    caller, stranger = {"X-User": "ann"}, {"X-User": "bob"}
    largest, quota = LARGEST, QUOTA
    stores, read_only_store = ("files", "other"), "closed"

    def __init__(self, quota: type[MemoryQuota] = MemoryQuota, *, careless: bool = False) -> None:
        self.catalog, self.driver, self.other = _Catalog(), MemoryDriver(), MemoryDriver()
        self._quota = quota(lambda owner: None if careless else QUOTA)
        closed = Store(self.read_only_store, MemoryDriver(), read_only=True)
        self._stores = StoreSet([Store("files", self.driver), Store("other", self.other), closed], default="files")
        self.app = self._app(self._quota, careless=careless)

    def _app(self, quota: Quota, *, careless: bool) -> ImageDataApp:
        uploads = UploadService(
            self._stores,
            catalog=self.catalog,
            quota=quota,
            settings=UploadSettings(max_image_size=None if careless else LARGEST),
            taps=[] if careless else [FormatInspection()],
        )
        return ImageDataApp(ImageData(uploads, DownloadService(self._stores, source=self.catalog)), context=user_of)

    def newcomer(self) -> Mapping[str, str]:
        return {"X-User": f"user-{next_number()}"}

    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        image_id = f"00000000-0000-4000-9000-{next_number():012}"
        self.catalog.create(image_id, owner=caller["X-User"], disk_format=disk_format)
        return image_id

    def create_signed(self, caller: Mapping[str, str]) -> str | None:
        self.catalog.signed.add(image_id := self.create(caller))
        return image_id

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        for location in self.catalog.delete(image_id).locations:
            self.driver.delete(location.key)

    def inventory(self) -> set[str]:
        return self.driver.storage.names() | self.other.storage.names()

    def inventory_of(self, store: str) -> set[str]:
        return {"files": self.driver, "other": self.other}[store].storage.names()


@dataclass
class Reply:
    """An answer that a broken host may change."""

    status: str
    headers: dict[str, str]
    body: bytes


class Stage:
    """A server whose application is replaced for each test."""

    def __init__(self) -> None:
        self.app: Callable[[Environ, Start], Iterable[bytes]] = House().app
        self.server = Server(("127.0.0.1", 0), self._serve, threads=4, read_timeout=20, grace=3)
        self.server.expiration_interval = 0.02

    def _serve(self, environ: Environ, start: Start) -> Iterable[bytes]:
        return self.app(environ, start)


@contextlib.contextmanager
def serving() -> Iterator[Stage]:
    """Serves inside."""
    stage = Stage()
    stage.server.prepare()
    thread = threading.Thread(target=stage.server.serve)
    thread.start()
    try:
        yield stage
    finally:
        stage.server.stop()
        thread.join()


@contextlib.contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Inside, a server gives this answer to whatever it gets; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_all, args=(listener, reply))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer_all(listener: socket.socket, reply: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(reply)
