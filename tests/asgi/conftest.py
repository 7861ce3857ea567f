"""Houses without a socket, and houses behind a server that is started once for each parser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from imgstore.adapters.asgi import Receive, Scope, Send
from imgstore.model import MIB
from imgstore.transfers.upload import UploadSettings
from tests.asgi.calling import app
from tests.asgi.serving import PARSERS, Serving
from tests.http.conftest import house
from tests.http.faulty import FaultyDriver
from tests.http.house import House
from tests.support.client import Client

__all__ = ["house"]


class Running:
    """A server before a house. Each test gets a new house: images of 8 MiB, a quota of 12 MiB, a store `faulty`."""

    client: Client

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.faulty = FaultyDriver()
        settings = UploadSettings(max_image_size=8 * MIB)
        self.house = House(quota=12 * MIB, settings=settings, faulty=self.faulty)
        self._app = app(self.house)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        await self._app(scope, receive, send)

    def await_end(self) -> None:
        """Returns when no request is under way, whether or not its client saw the end."""
        asyncio.run_coroutine_threadsafe(self._app.settle(), self._loop).result()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Running]]:
    """By parser."""
    with contextlib.ExitStack() as stack:
        made = {parser: Running() for parser in PARSERS}
        for parser, running in made.items():
            running.client = stack.enter_context(Serving(running, parser=parser)).client
        yield made


@pytest.fixture
def running(request: pytest.FixtureRequest, servers: dict[str, Running]) -> Running:
    """On h11, or on the parser that `each_parser` names."""
    found = servers[getattr(request, "param", PARSERS[0])]
    found.renew()
    return found
