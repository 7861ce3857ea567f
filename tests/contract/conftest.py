"""Fixtures of the contract's runs on our own drivers."""

from __future__ import annotations

import pytest

from imgstore.driver import background, ranged, shared
from imgstore.drivers.s3 import tries, uploads
from imgstore.drivers.swift import requests
from imgstore.testing.interrupted import InterruptedLaws


@pytest.fixture(autouse=True)
def short_pauses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests are broken, the drivers try again and look again at once."""
    if not hasattr(InterruptedLaws, request.function.__name__):
        return
    for module in (requests, shared, ranged):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(tries, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(background, "LOOKS", (0.0,) * len(background.LOOKS))
    monkeypatch.setattr(background, "look_again", lambda what, look: None)
    monkeypatch.setattr(uploads, "PAUSES", (0.0,) * len(uploads.PAUSES))
