"""Object storages that answer something else than they were asked for, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from webdav4.client import InsufficientStorage

from imgstore import errors
from imgstore.drivers.fsspec import FsspecDriver
from tests.fsspec.objects import BLOCK, ObjectFile, Objects


class IgnoresRanges(Objects):
    protocol = "obs"

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        return super().cat_file(path, **more)


class LosesItsAnswer(Objects):
    protocol = "obs"

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> ObjectFile:
        return Unanswered(self, path, mode, block_size=BLOCK, autocommit=autocommit)


class Unanswered(ObjectFile):
    def commit(self) -> None:
        super().commit()
        raise ConnectionResetError


class HasNoRoom(Objects):
    protocol = "obs"

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        raise InsufficientStorage(path)


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[FsspecDriver]:
    fsspec.register_implementation("obs", request.param, clobber=True)
    Objects.held.clear()
    driver = FsspecDriver(url="obs://bucket/images", patience=20.0)
    yield driver
    driver.close()


@pytest.mark.parametrize("driver", [IgnoresRanges], indirect=True)
def test_never_other_bytes_a_range_that_is_ignored_is_refused(driver: FsspecDriver) -> None:
    with driver.open_writer("key") as writer:
        writer.write(bytes(range(100)))
        writer.commit()
    with driver.open_reader("key", start=50, stop=60) as reader, pytest.raises(errors.IntegrityError):
        reader.read()


@pytest.mark.parametrize("driver", [LosesItsAnswer], indirect=True)
def test_undone_an_object_whose_answer_was_lost_is_told(driver: FsspecDriver) -> None:
    """Nobody can tell whose it is, so it stays until whoever knows the key removes it."""
    writer = driver.open_writer("key")
    writer.write(b"image")
    with pytest.raises(errors.StoreUnavailable, match="committing"):
        writer.commit()
    assert (list(Objects.held), writer.left_behind) == (["bucket/images/key"], True)


@pytest.mark.parametrize("driver", [HasNoRoom], indirect=True)
def test_a_webdav_server_without_room_is_full(driver: FsspecDriver) -> None:
    writer = driver.open_writer("key")
    writer.write(b"image")
    with pytest.raises(errors.StoreFull):
        writer.commit()
