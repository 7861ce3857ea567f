"""How a session ends when nobody waits for it: after the store's current call, and on its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from imgstore.adapters.asgi import ImageDataApp, Message
from imgstore.model import MIB
from imgstore.transfers.session import GATHER
from tests.asgi.calling import Peer, app, body, put, scope, turn
from tests.http.faulty import FaultyDriver
from tests.http.house import House, path

CHUNK = body(bytes(GATHER))
UPLOAD = {"transfer_encoding": "chunked", "x_image_meta_store": "gated"}

Ending = Callable[[Peer, "asyncio.Task[None]"], Awaitable[None]]


async def cancelled_again_and_again(peer: Peer, task: asyncio.Task[None]) -> None:
    for _ in range(3):
        task.cancel()
        await turn()


async def disconnected(peer: Peer, task: asyncio.Task[None]) -> None:
    peer.disconnect()
    await turn()


async def disconnected_then_cancelled(peer: Peer, task: asyncio.Task[None]) -> None:
    await disconnected(peer, task)
    await cancelled_again_and_again(peer, task)


ENDINGS = [cancelled_again_and_again, disconnected, disconnected_then_cancelled]


class Gated:
    """A house whose store waits."""

    def __init__(self) -> None:
        self.driver = FaultyDriver()
        self.writes, self.reads = self.driver.gate("write"), self.driver.gate("read")
        self.house = House(gated=self.driver)
        self.app = app(self.house)
        self.threads = threading.active_count()

    def start(self, request: dict[str, object], peer: Peer) -> asyncio.Task[None]:
        async def run() -> None:
            await self.app(request, peer.receive, peer.send)

        return asyncio.ensure_future(run())

    def stored(self, content: bytes) -> str:
        """An image in the gated store."""
        self.writes.open()
        image_id = self.house.active(content, store="gated")
        self.driver.events.clear()
        self.driver.threads.clear()
        return image_id

    def assert_no_thread(self) -> None:
        assert threading.active_count() == self.threads, threading.enumerate()


async def over(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task], timeout=60)
    assert task.done()


CALLS = {
    "PUT": (["open for writing", "write"], ["written", "abort"]),
    "GET": (["open for reading", "read"], ["have read", "close"]),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", CALLS)
def test_undone_after_the_stores_current_call_and_never_before(ending: Ending, method: str) -> None:
    gated, (before, after), is_upload = Gated(), CALLS[method], method == "PUT"
    image_id = gated.house.image() if is_upload else gated.stored(bytes(3 * MIB))
    gate = gated.writes if is_upload else gated.reads

    async def run() -> None:
        peer = Peer(CHUNK, CHUNK) if is_upload else Peer()
        request = put(image_id, **UPLOAD) if is_upload else scope("GET", path(image_id))
        task = gated.start(request, peer)
        await asyncio.to_thread(gate.wait_until_reached)
        await ending(peer, task)
        assert not task.done()
        assert gated.driver.events == before
        assert gated.house.found(image_id).status == ("saving" if is_upload else "active")
        gate.open(1)
        await over(task)
        assert task.cancelled() == (ending is not disconnected)
        named = ("upload", "download")
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith(named)] == []

    asyncio.run(run())
    assert gated.driver.events == [*before, *after]
    gated.assert_no_thread()
    if is_upload:
        gated.house.assert_refused_without_trace(image_id)


def test_one_thread_owns_the_session_and_it_is_not_the_event_loops() -> None:
    gated = Gated()
    gated.writes.open()
    image_id = gated.house.image()

    async def run() -> None:
        await over(gated.start(put(image_id, **UPLOAD), Peer(CHUNK, CHUNK, body(b"", more=False))))

    asyncio.run(run())
    assert gated.driver.events == ["open for writing", *["write", "written"] * 2, "commit"]
    assert len(gated.driver.threads) == 1
    assert threading.get_ident() not in gated.driver.threads
    gated.assert_no_thread()


def test_a_cancellation_while_the_store_opens_the_object_undoes_it() -> None:
    gated = Gated()
    image_id, opening = gated.house.image(), gated.driver.gate("open for writing")

    async def run() -> None:
        peer = Peer(CHUNK)
        task = gated.start(put(image_id, **UPLOAD), peer)
        await asyncio.to_thread(opening.wait_until_reached)
        task.cancel()
        await turn()
        assert not task.done()
        opening.open()
        await over(task)
        assert (task.cancelled(), peer.received) == (True, 0)

    asyncio.run(run())
    assert gated.driver.events == ["open for writing", "abort"]
    gated.assert_no_thread()
    gated.writes.open()
    gated.house.assert_refused_without_trace(image_id)


def test_a_store_that_fails_answers_a_client_that_sends_nothing_more() -> None:
    gated = Gated()
    gated.writes.open()
    image_id = gated.house.image()

    async def run() -> int:
        peer = Peer(CHUNK)
        with gated.driver.failing("write", TimeoutError()):
            task = gated.start(put(image_id, **UPLOAD), peer)
            while not peer.sent:
                await asyncio.sleep(0)
        peer.disconnect()
        await over(task)
        return peer.status

    assert asyncio.run(run()) == 503
    gated.house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("ending", [cancelled_again_and_again, disconnected])
def test_a_download_whose_client_does_not_read_is_closed_when_it_leaves(ending: Ending) -> None:
    """The server's `send` waits, and goes on waiting after the client has left."""
    gated = Gated()
    image_id = gated.stored(bytes(8 * MIB))
    gated.reads.open()

    class Unread(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

    async def run() -> None:
        peer = Unread()
        task = gated.start(scope("GET", path(image_id)), peer)
        while len(peer.sent) < 2:
            await asyncio.sleep(0)
        await ending(peer, task)
        await over(task)
        assert task.cancelled() == (ending is cancelled_again_and_again)

    asyncio.run(run())
    assert gated.driver.events[-1] == "close"
    gated.assert_no_thread()


def test_the_server_that_stops_is_told_when_every_session_is_over() -> None:
    """As uvicorn does it: cancels the requests and announces the end without waiting for them."""
    gated = Gated()
    image_id = gated.house.image()

    async def run(application: ImageDataApp) -> None:
        upload = gated.start(put(image_id, **UPLOAD), Peer(CHUNK))
        server = Peer({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        await asyncio.to_thread(gated.writes.wait_until_reached)
        upload.cancel()
        life = gated.start({"type": "lifespan"}, server)
        await turn()
        assert [message["type"] for message in server.sent] == ["lifespan.startup.complete"]
        gated.writes.open(1)
        await over(life)
        assert gated.driver.events[-1] == "abort"
        assert server.sent[-1]["type"] == "lifespan.shutdown.complete"
        await over(upload)

    asyncio.run(run(gated.app))
    gated.house.assert_refused_without_trace(image_id)
