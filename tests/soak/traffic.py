"""Clients that go on whatever happens to the service: whole uploads, downloads and deletions, and clients that die."""

from __future__ import annotations

import collections
import contextlib
import http.client
import random
import threading
from collections.abc import Callable, Iterator, Sequence

from tests.support.client import Client
from tests.support.service import ServiceProcess

WORKERS = 4
SIZES = (1000, 300_000, 6 << 20)
"""One request, some chunks, and two parts of an upload in parts."""
FAILS = (OSError, http.client.HTTPException)
"""What a client sees whose service dies."""


class Traffic:
    """What `WORKERS` clients do with `services`, in `stores`. `done` counts what was asked, by status."""

    def __init__(self, services: Sequence[ServiceProcess], stores: Sequence[str]) -> None:
        self._services = services
        self._stores = stores
        self._stopped = threading.Event()
        self.done: collections.Counter[tuple[str, int]] = collections.Counter()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Inside, they work; afterwards they have ended."""
        self._stopped.clear()
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        kinds: Sequence[Callable[[Client, random.Random], None]] = (self._whole, self._whole, self._dies, self._leaves)
        while not self._stopped.wait(0.02):
            with contextlib.suppress(*FAILS):
                chance.choice(kinds)(chance.choice(self._services).client, chance)

    def _upload(self, client: Client, chance: random.Random) -> tuple[str, bytes]:
        """An image, with its bytes if the service took them."""
        image_id, body = self._create(client), chance.randbytes(chance.choice(SIZES))
        status = client.upload(image_id, body, store=chance.choice(self._stores)).status
        self.done["upload", status] += 1
        return image_id, body if status == 204 else b""

    def _create(self, client: Client) -> str:
        answer = client.post("/v2/images", {"disk_format": "raw", "container_format": "bare"})
        self.done["create", answer.status] += 1
        if answer.status != 201:
            raise ConnectionError(answer.status)
        return str(answer.json()["id"])

    def _whole(self, client: Client, chance: random.Random) -> None:
        image_id, body = self._upload(client, chance)
        if body:
            answer = client.download(image_id)
            self.done["download", answer.status] += 1
            assert answer.body == body or answer.status != 200
        self.done["delete", client.delete(image_id).status] += 1

    def _dies(self, client: Client, chance: random.Random) -> None:
        """In the middle of its upload; the image stays."""
        image_id, headers = (
            self._create(client),
            {"Content-Type": "application/octet-stream", "Content-Length": "9999999"},
        )
        headers["X-Image-Meta-Store"] = chance.choice(self._stores)
        with client.connect("PUT", f"/v2/images/{image_id}/file", headers) as connection:
            connection.sendall(chance.randbytes(chance.choice(SIZES)))

    def _leaves(self, client: Client, chance: random.Random) -> None:
        """In the middle of its download; the image stays."""
        image_id, body = self._upload(client, chance)
        if body:
            with client.connect("GET", f"/v2/images/{image_id}/file", {}) as connection:
                connection.recv(1000)
