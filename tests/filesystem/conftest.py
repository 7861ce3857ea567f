"""Fixtures: a datadir, both kinds of staging, and the check that no test leaves a descriptor open or a thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from tests.filesystem.support import BOTH, Writes, lanes, open_descriptors, room_for_both


@pytest.fixture(autouse=True)
def every_descriptor_and_thread_is_returned() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert (open_descriptors(), lanes()) == (before, [])


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    with room_for_both(tmp_path) as path:
        yield path


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture(params=BOTH, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[FilesystemDriver]:
    found: type[FilesystemDriver] = request.param
    return found


@pytest.fixture
def driver(kind: type[FilesystemDriver], datadir: Path) -> FilesystemDriver:
    return kind(datadir=str(datadir))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Writes:
    return Writes(monkeypatch)
