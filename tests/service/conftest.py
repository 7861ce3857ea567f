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


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The same, one for all tests of a module; they use images and projects of their own."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running
