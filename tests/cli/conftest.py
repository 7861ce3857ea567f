"""A directory with stores for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import Shop
from tests.support.service import signals_are_heard


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    with signals_are_heard():
        yield shop
    shop.close()
    assert not shop.home.exists(), "a command leaves nothing in the home of who runs it"
