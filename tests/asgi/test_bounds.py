"""Bounded memory: a store that is slower than the client, and a client that is slower than the store."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from imgstore.adapters.asgi import Message
from imgstore.adapters.asgi.exchange import Exchange
from imgstore.adapters.asgi.pipes import MESSAGE_COST
from imgstore.bulkhead import Bulkhead
from imgstore.model import MIB
from imgstore.transfers.session import GATHER
from tests.asgi.calling import Peer, app, body, call, put, scope, turn
from tests.asgi.serving import Serving
from tests.http.faulty import FaultyDriver
from tests.http.house import PATIENCE, House, path
from tests.support.client import OCTETS

MESSAGES = 50


@pytest.mark.parametrize("message", [GATHER + 1, 300_000, 1, 0])
@pytest.mark.parametrize("window", [1, GATHER + 5000, MIB])
def test_an_upload_holds_less_than_the_window_and_one_message(window: int, message: int) -> None:
    """A write of GATHER bytes comes first and waits in the store; then all the messages that are taken."""
    driver = FaultyDriver()
    house, gate = House(gated=driver), driver.gate("write")
    image_id, first = house.image(), bytes(GATHER)
    rest = [body(bytes(message)) for _ in range(MESSAGES)]
    held = GATHER + MESSAGE_COST
    taken = 0
    while message and held < window and taken < MESSAGES:
        held, taken = held + message + MESSAGE_COST, taken + 1
    if not message and held < window:
        taken = MESSAGES

    async def run() -> Peer:
        peer = Peer(body(first), *rest, body(b"", more=False))
        request = put(image_id, transfer_encoding="chunked", x_image_meta_store="gated")
        task = asyncio.ensure_future(_call(house, request, peer, window=window))
        await asyncio.to_thread(gate.wait_until_reached)
        await turn()
        at_the_end = taken == MESSAGES and held < window
        assert peer.received == 1 + taken + at_the_end
        assert held < window + max(message, GATHER) + MESSAGE_COST
        gate.open()
        await task
        return peer

    assert asyncio.run(run()).status == 204
    assert house.objects() == {f"gated/{image_id}": first + bytes(message * MESSAGES)}


@pytest.mark.parametrize("read_ahead", [1, 5])
def test_a_download_reads_one_chunk_more_than_read_ahead(read_ahead: int) -> None:
    driver = FaultyDriver()
    house, gate = House(gated=driver), driver.gate("read")
    image_id, content = house.image(), bytes(MIB)
    house.upload(image_id, content, store="gated")

    async def run() -> bytes:
        peer, reading = Peer(), asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await reading.wait()
            await peer.send(message)

        task = asyncio.ensure_future(
            app(house, read_ahead=read_ahead)(scope("GET", path(image_id)), peer.receive, send)
        )
        for number in range(1, read_ahead + 2):
            await asyncio.to_thread(gate.wait_until_reached, number)
            gate.open(1)
        await asyncio.to_thread(driver.wait_for_event, "have read", read_ahead + 1)
        await turn()
        assert gate.arrivals == read_ahead + 1
        reading.set()
        gate.open()
        await task
        return peer.body

    assert asyncio.run(run()) == content


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_request_that_came_long_ago_waits_for_no_slot(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    image_id = house.image() if method == "PUT" else house.active(b"data")
    house.busy("fast")
    monkeypatch.delattr(Bulkhead, "_get")
    monkeypatch.setattr(
        Exchange, "asked_at", property(lambda it: time.monotonic() - PATIENCE, lambda it, now: None), raising=False
    )
    request = put(image_id, content_length="0") if method == "PUT" else scope("GET", path(image_id))
    assert call(app(house), request).status == 503


async def _call(house: House, request: dict[str, object], peer: Peer, *, window: int) -> None:
    await app(house, window=window)(request, peer.receive, peer.send)


SIZE = 64 * MIB
ALLOWED = 24 * MIB
"""A window of 1 MiB, the digests' of 8 MiB, what uvicorn has read, and the buffers of both ends of the connection."""
STALLED = 0.5
"""Seconds in which the server takes nothing. A busy machine ends the test early, not wrongly."""


@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_a_store_that_is_slower_than_the_client_holds_the_client_up(chunked: bool) -> None:
    driver, sent, block = FaultyDriver(), 0, bytes(MIB)
    house = House(gated=driver)
    image_id, framed = house.image(), b"%x\r\n%b\r\n" % (MIB, block) if chunked else block
    headers = OCTETS | {"X-Image-Meta-Store": "gated"}
    headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(SIZE)}
    with Serving(app(house)) as server, driver.pausing("write") as gate:
        with server.client.connect("PUT", path(image_id), headers) as connection:
            connection.sendall(framed)
            gate.wait_until_reached()
            connection.settimeout(STALLED)
            with contextlib.suppress(TimeoutError):
                while sent < SIZE:
                    connection.sendall(framed)
                    sent += MIB
            assert sent < ALLOWED
        gate.open()
    house.assert_refused_without_trace(image_id)
