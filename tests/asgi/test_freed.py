"""Bounded memory: what a request took is freed at its end, whatever became of it, and not left to the collector of
garbage."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable

import pytest

from imgstore.adapters.asgi import ImageDataApp
from imgstore.model import MIB
from tests.asgi.calling import Peer, app, body, call, put, scope
from tests.http.house import House, path
from tests.support.garbage import freed_at_once

PIECE = body(bytes(MIB))


def stored_and_read(application: ImageDataApp, house: House) -> None:
    image_id = house.image()
    assert call(application, put(image_id), PIECE, body(b"", more=False)).status == 204
    assert call(application, scope("GET", path(image_id))).status == 200


def refused(application: ImageDataApp, house: House) -> None:
    assert call(application, put(str(uuid.uuid4())), PIECE).status == 404
    assert (
        call(application, put(house.image(), transfer_encoding="chunked", x_openstack_image_size="5"), PIECE).status
        == 400
    )
    assert call(application, scope("GET", path(str(uuid.uuid4())))).status == 404


def left(application: ImageDataApp, house: House) -> None:
    """In the middle of an upload."""

    async def run() -> None:
        peer = Peer(PIECE)
        peer.disconnect()
        await application(put(house.image()), peer.receive, peer.send)

    asyncio.run(run())


def cancelled(application: ImageDataApp, house: House) -> None:
    """By the server, in the middle of an upload."""

    async def run() -> None:
        peer = Peer(PIECE)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(application(put(house.image()), peer.receive, peer.send), 0.1)

    asyncio.run(run())


@pytest.mark.parametrize("happens", [stored_and_read, refused, left, cancelled])
def test_bounded_memory_what_a_request_took_is_freed(happens: Callable[[ImageDataApp, House], None]) -> None:
    house = House()
    application = app(house)
    with freed_at_once():
        happens(application, house)
