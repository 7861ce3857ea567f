"""Bounded memory: a store that is slower than the client, and a client that is slower than the store."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgstore.adapters.asgi import Message
from imgstore.adapters.asgi.pipes import MESSAGE_COST
from imgstore.model import MIB
from imgstore.transfers.session import GATHER
from tests.asgi.calling import Peer, app, body, put, scope, turn
from tests.asgi.gated import GatedDriver
from tests.asgi.serving import LISTENING
from tests.http.house import House, path
from tests.support.client import Client, new_id

MESSAGES = 50


@pytest.mark.parametrize("message", [GATHER + 1, 300_000, 1, 0])
@pytest.mark.parametrize("window", [1, GATHER + 5000, MIB])
def test_an_upload_holds_less_than_the_window_and_one_message(window: int, message: int) -> None:
    """A write of GATHER bytes comes first and waits in the store; then all the messages that are taken."""
    driver = GatedDriver()
    house = House(gated=driver)
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
        await asyncio.to_thread(driver.writes.await_arrival)
        await turn()
        at_the_end = taken == MESSAGES and held < window
        assert peer.received == 1 + taken + at_the_end
        assert held < window + max(message, GATHER) + MESSAGE_COST
        driver.writes.open()
        await task
        return peer

    assert asyncio.run(run()).status == 204
    assert house.objects() == {f"gated/{image_id}": first + bytes(message * MESSAGES)}


@pytest.mark.parametrize("read_ahead", [1, 5])
def test_a_download_reads_one_chunk_more_than_read_ahead(read_ahead: int) -> None:
    driver = GatedDriver()
    house = House(gated=driver)
    driver.writes.open()
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
            await asyncio.to_thread(driver.reads.await_arrival, number)
            driver.reads.open(1)
        await asyncio.to_thread(driver.await_event, "have read", read_ahead + 1)
        await turn()
        assert driver.reads.arrivals == read_ahead + 1
        reading.set()
        driver.reads.open()
        await task
        return peer.body

    assert asyncio.run(run()) == content


async def _call(house: House, request: dict[str, object], peer: Peer, *, window: int) -> None:
    await app(house, window=window)(request, peer.receive, peer.send)


SIZE = 64 * MIB
ALLOWED = 24 * MIB
"""A window of 1 MiB, the digests' of 8 MiB, uvicorn's message of at most 320 KiB twice, and what malloc makes of it."""


def test_a_store_that_is_slower_than_the_client_holds_the_client_up() -> None:
    command = [sys.executable, "-m", "tests.asgi.slow_host"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            match = re.fullmatch(rf"{LISTENING} (\S+)\n", process.stdout.readline())
            assert match is not None
            client = Client(match[1])
            assert client.upload(new_id(), b"warm").status == 204
            for headers in ({}, {"Content-Length": str(SIZE)}):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")
                idle = _memory(process.pid, "VmRSS")
                block = bytes(MIB)
                assert client.upload(new_id(), (block for _ in range(SIZE // MIB)), headers=headers).status == 204
                assert _memory(process.pid, "VmHWM") - idle < ALLOWED
        finally:
            process.terminate()


def _memory(pid: int, field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024
