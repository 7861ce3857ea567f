"""The service under test (see `tests/support/service.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ServiceProcess


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A process of its own, with the filesystem stores `fast` and `slow`."""
    with ServiceProcess(tmp_path) as running:
        yield running
