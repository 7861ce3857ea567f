"""Contained: a client that sends or takes hardly anything is given up, and its thread with it."""

from __future__ import annotations

import asyncio

import pytest

from imgstore import errors
from imgstore.adapters.asgi import Message
from imgstore.adapters.asgi.exchange import PIECE
from imgstore.http import pace
from imgstore.model import MIB
from tests.asgi.calling import Peer, app, body, put, scope
from tests.http.house import House, path

PATIENT = 60.0
BRIEF = 0.05


class Slow(Peer):
    """A client whose every message takes a while."""

    async def receive(self) -> Message:
        if self._messages:
            await asyncio.sleep(BRIEF)
        return await super().receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(BRIEF)
        await super().send(message)


def upload(house: House, image_id: str, *, timeout: float | None) -> Peer:
    peer = Slow(*[body(b"x")] * 10, body(b"", more=False))

    async def run() -> None:
        request = put(image_id, transfer_encoding="chunked")
        await app(house, body_timeout=timeout)(request, peer.receive, peer.send)

    asyncio.run(run())
    return peer


def test_an_upload_below_the_least_rate_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    image_id = house.image()
    monkeypatch.setattr(pace, "WINDOW", BRIEF)
    assert upload(house, image_id, timeout=BRIEF * 4).status == 408
    assert upload(house, image_id, timeout=None).status == 204, "without a timeout there is no rate either"
    assert list(house.objects().values()) == [b"x" * 10]


def test_a_download_below_the_least_rate_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    image_id = house.image()
    house.upload(image_id, bytes(4 * MIB))
    monkeypatch.setattr(pace, "LEAST_RATE", 10 * PIECE / BRIEF)
    monkeypatch.setattr(pace, "WINDOW", BRIEF)
    peer = Slow()
    with pytest.raises(errors.BodyStalled):
        asyncio.run(app(house, body_timeout=BRIEF)(scope("GET", path(image_id)), peer.receive, peer.send))
    assert 1 <= sum(len(message.get("body", b"")) for message in peer.sent) < MIB


def test_a_client_that_takes_nothing_more_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    image_id = house.image()
    house.upload(image_id, bytes(4 * MIB))
    monkeypatch.setattr(pace, "LEAST_RATE", PIECE / BRIEF)
    peer = Peer()

    async def send(message: Message) -> None:
        if len(peer.sent) == 2:
            await asyncio.sleep(PATIENT)
        await peer.send(message)

    with pytest.raises(errors.BodyStalled):
        asyncio.run(app(house, body_timeout=BRIEF)(scope("GET", path(image_id)), peer.receive, send))
    assert len(peer.sent) == 2


def test_a_brisk_client_gets_all_in_pieces() -> None:
    house = House()
    image_id, content = house.image(), bytes(range(256)) * (MIB // 256) + b"end"
    house.upload(image_id, content)
    peer = Peer()
    asyncio.run(app(house)(scope("GET", path(image_id)), peer.receive, peer.send))
    assert peer.body == content
    assert max(len(message["body"]) for message in peer.sent[1:]) == PIECE
