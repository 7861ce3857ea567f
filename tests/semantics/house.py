"""The reference service in this process, behind real sockets; stores and accounts can be looked into."""

from __future__ import annotations

import contextlib
import functools
import json
import logging.handlers
import queue
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from imgstore.driver import StoreDriver, check_key
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import new_mark
from imgstore.errors import InvalidKey
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.upload import UploadSettings
from tests.http.faulty import FaultyDriver
from tests.semantics.storage import STORES, Storage
from tests.semantics.wire import LAST_CHUNK, Answer, Wire, chunk
from tests.support.service import LocalService

JSON = "application/json"
OCTETS = ("Content-Type", "application/octet-stream")
CHUNKED = ("Transfer-Encoding", "chunked")
WAIT_FOR_100 = ("Expect", "100-continue")
PATIENCE = 60.0


class House(LocalService):
    """Stores `fast` (the default), `slow`, `faulty` and the read-only `frozen`, in one kind of storage. The catalog is
    below `root`."""

    def __init__(self, root: Path, storage: Storage, *, settings: UploadSettings, project_quota: int | None) -> None:
        self._storage = storage
        drivers: dict[str, StoreDriver] = {name: storage.driver(name) for name in STORES}
        for name in ("faulty", "frozen"):  # a driver that hides its place, and one that may not make it
            place = drivers[name]
            assert isinstance(place, HasPlace)
            place.write_mark(new_mark())
        self.faulty = drivers["faulty"] = FaultyDriver(drivers["faulty"])
        weights = {"fast": 3, "slow": 2, "faulty": 1, "frozen": 0}
        self.stores = StoreSet(
            [Store(name, drivers[name], weight=weights[name], read_only=name == "frozen") for name in STORES],
            default="fast",
        )
        with pytest.MonkeyPatch.context() as patch:
            unhurried = functools.partial(DownloadService, sleep=lambda seconds: None)
            patch.setattr("imgstore.service.assembly.DownloadService", unhurried)
            taps = [FormatInspection()]
            super().__init__(root, self.stores, settings=settings, taps=taps, project_quota=project_quota)
        self._ended: queue.Queue[logging.LogRecord] = queue.Queue()

    @contextlib.contextmanager
    def serving(self) -> Iterator[House]:
        """Serves inside."""
        with self.running(), self._listening(), pytest.MonkeyPatch.context() as patch:
            # A client that is slow to look at a refusal, on a busy machine, must not find it reset.
            patch.setattr("imgstore.service.server.lingering.LINGER_SECONDS", PATIENCE)
            yield self

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """The access log tells which requests have ended."""
        logger, handler = logging.getLogger("imgstore.service.access"), logging.handlers.QueueHandler(self._ended)
        before = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)

    def wait_until_ended(self, path: str) -> None:
        """Returns when the next request for `path` has ended in the service, whether or not its client saw it."""
        while path not in self._ended.get(timeout=PATIENCE).getMessage():
            pass

    def lose_patience(self) -> None:
        """Who is connected now is given up as soon as nothing comes: no test waits for, or races with, a time."""
        for connection in self.server.open_connections:
            connection.socket.settimeout(0.01)

    def names(self) -> set[str]:
        """`store/name` of everything in the stores, what is no object included."""
        return self._storage.names()

    def content(self, store: str, key: str) -> bytes:
        """The bytes of an object."""
        return self._storage.content(store, key)

    def overwrite(self, store: str, key: str, data: bytes) -> None:
        """Behind the service's back: another content under the name of an object."""
        self._storage.replace(store, key, data)

    def wait_until_copies_ended(self) -> None:
        """Returns when no copy of any image is under way; also of one that cannot be asked for any more."""
        assert self.service.copies.wait_until_idle(PATIENCE)

    def leftovers(self) -> set[str]:
        """What is in any store and is no object."""
        return {name for name in self.names() if not _is_key(name.partition("/")[2])}

    def without_place(self, store: str) -> AbstractContextManager[None]:
        """Inside, the store's place is gone."""
        return self._storage.without(store)

    def set_status(self, image_id: str, status: str) -> None:
        """Behind the service's back: what this service has no call for."""
        database = sqlite3.connect(self.catalog.database, timeout=PATIENCE)
        with contextlib.closing(database), database:
            changed = database.execute("UPDATE images SET status = ? WHERE id = ?", (status, image_id))
            assert changed.rowcount == 1


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except InvalidKey:
        return False
    return True


class Tenant:
    """One project: its client, and what the service keeps for it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.project = uuid.uuid4().hex

    def wire(self, *, receive_buffer: int | None = None) -> Wire:
        """A new connection."""
        return Wire(self.house.client.address, receive_buffer=receive_buffer)

    def ask(self, method: str, path: str, *headers: tuple[str, str], body: Iterable[bytes] = ()) -> Answer:
        """One request on a connection of its own; errors are asked for in JSON."""
        with self.wire() as wire:
            wire.head(method, path, self._with_defaults(headers))
            wire.send_while_taken(body)
            return wire.answer()

    def ask_with(self, method: str, path: str, value: object, *headers: tuple[str, str], kind: str = JSON) -> Answer:
        """One request with a JSON value."""
        body = json.dumps(value).encode()
        given = [("Content-Type", kind), ("Content-Length", str(len(body))), *headers]
        return self.ask(method, path, *given, body=[body])

    def create(self, **attributes: str | None) -> str:
        """A new queued image's identifier; raw and bare unless told otherwise."""
        made = {"disk_format": "raw", "container_format": "bare"} | attributes
        given = {name: value for name, value in made.items() if value is not None}
        answer = self.ask_with("POST", "/v2/images", given)
        assert answer.status == 201, answer
        image_id: str = answer.json["id"]
        return image_id

    def show(self, image_id: str) -> dict[str, object]:
        """The image as the API shows it."""
        answer = self.ask("GET", f"/v2/images/{image_id}")
        assert answer.status == 200, answer
        shown: dict[str, object] = answer.json
        return shown

    def delete(self, image_id: str) -> None:
        assert self.ask("DELETE", f"/v2/images/{image_id}").status == 204

    def put(self, image_id: str, content: bytes, *headers: tuple[str, str]) -> Answer:
        """An upload with Content-Length."""
        length = ("Content-Length", str(len(content)))
        return self.ask("PUT", file_of(image_id), OCTETS, length, *headers, body=[content])

    def put_chunks(self, image_id: str, chunks: Iterable[bytes], *headers: tuple[str, str]) -> Answer:
        """An upload of unknown length."""
        framed = [*(chunk(data) for data in chunks), LAST_CHUNK]
        return self.ask("PUT", file_of(image_id), OCTETS, CHUNKED, *headers, body=framed)

    def put_framed(self, image_id: str, content: bytes, *headers: tuple[str, str], chunked: bool) -> Answer:
        """An upload whose length is known or not, as told."""
        if chunked:
            return self.put_chunks(image_id, [content] if content else [], *headers)
        return self.put(image_id, content, *headers)

    def get(self, image_id: str, *headers: tuple[str, str], query: str = "", method: str = "GET") -> Answer:
        """A download, or with another method its headers."""
        return self.ask(method, file_of(image_id) + query, *headers)

    def active(self, content: bytes, *headers: tuple[str, str], **attributes: str | None) -> str:
        """A new image with data."""
        image_id = self.create(**attributes)
        assert self.put(image_id, content, *headers).status == 204
        return image_id

    def copy(self, image_id: str, *headers: tuple[str, str], **members: object) -> Answer:
        """An import by copy-image."""
        return self.post_import(image_id, {"method": {"name": "copy-image"}, **members}, *headers)

    def post_import(self, image_id: str, body: object, *headers: tuple[str, str]) -> Answer:
        """An import of whatever kind."""
        return self.ask_with("POST", f"/v2/images/{image_id}/import", body, *headers)

    def copied(self, image_id: str) -> dict[str, object]:
        """The image, when no copy of it is under way any more; as clients find out."""
        deadline = time.monotonic() + PATIENCE
        while (shown := self.show(image_id))["os_glance_importing_to_stores"] != "":
            assert time.monotonic() < deadline, "the copy does not end"
            time.sleep(0.01)
        self.house.wait_until_copies_ended()  # its hold ends a moment after the image has it
        return shown

    def begin(self, wire: Wire, image_id: str, *headers: tuple[str, str]) -> None:
        """Starts an upload whose body the caller sends; returns when the service has begun to read it."""
        wire.head("PUT", file_of(image_id), self._with_defaults([OCTETS, WAIT_FOR_100, *headers]))
        wire.expect_continue()

    def objects(self, image_id: str) -> dict[str, bytes]:
        """What the stores hold of an image, by `store/key`."""
        places = [name.split("/", 1) for name in self.house.names()]
        return {f"{store}/{key}": self.house.content(store, key) for store, key in places if key.startswith(image_id)}

    @property
    def quota(self) -> tuple[int, int]:
        """Bytes in use and bytes held by uploads under way."""
        account = self.house.service.quota.account(self.project)
        return account.used, account.held

    def assert_no_trace(self, image_id: str, *, used: int = 0) -> None:
        """Nothing is left of a refused upload; `used` bytes are other images'."""
        assert (self.show(image_id)["status"], self.show(image_id)["size"]) == ("queued", None)
        assert self.objects(image_id) == {}
        assert self.house.leftovers() == set()
        assert self.quota == (used, 0)

    def assert_stored(self, image_id: str, content: bytes, *stores: str) -> None:
        """The image is active, and the same in each of the stores; counted so often; nothing else is there."""
        shown = self.show(image_id)
        in_order = sorted(stores, key=STORES.index)  # their weights fall in it
        assert (shown["status"], shown["stores"], shown["size"]) == ("active", ",".join(in_order), len(content))
        held = self.objects(image_id)
        assert sorted(name.partition("/")[0] for name in held) == sorted(stores)
        assert set(held.values()) == {content}
        assert self.quota == (len(content) * len(stores), 0)
        assert self.house.leftovers() == set()
        for store in stores:
            assert self.get(image_id, query=f"?prefer={store}").body == content

    def assert_refused_without_trace(self, image_id: str, *, retry: bytes = b"good data", used: int = 0) -> None:
        """Nothing is left of a refused upload, and a retry of the same image with good data succeeds."""
        self.assert_no_trace(image_id, used=used)
        assert self.put(image_id, retry).status == 204
        assert self.show(image_id)["status"] == "active"
        assert self.get(image_id).body == retry
        assert list(self.objects(image_id).values()) == [retry]
        assert self.quota == (used + len(retry), 0)

    def _with_defaults(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        given = {name.lower() for name, _ in headers}
        defaults = [("X-Project-Id", self.project), ("Accept", "application/json")]
        return [*headers, *((name, value) for name, value in defaults if name.lower() not in given)]


def file_of(image_id: str) -> str:
    """The path of an image's data."""
    return f"/v2/images/{image_id}/file"
