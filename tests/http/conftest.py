"""An image service without a socket, and the adapters before it."""

from __future__ import annotations

import pytest

from tests.http.gateways import GATEWAYS, Call
from tests.http.house import House


@pytest.fixture
def house() -> House:
    """Without limits."""
    return House()


@pytest.fixture(params=GATEWAYS)
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Call:
    """One request through each adapter; a client that stalls is not waited for when it was refused."""
    monkeypatch.setattr("imgstore.adapters.asgi.exchange.LINGER_SECONDS", 0)
    return GATEWAYS[request.param]
