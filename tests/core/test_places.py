"""Law 11 meets law 7: a defect is found by its place in the log, and its text stays unsaid."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Attempt, ObjectInfo
from imgstore.transfers.taps import Tap
from imgstore.transfers.upload import UploadSettings
from tests.core.world import World

SECRET = "hunter2"


class Defective(MemoryDriver):
    def _stat(self, key: str) -> ObjectInfo:
        raise KeyError(SECRET)


class DefectiveTap:
    def write(self, chunk: bytes | memoryview) -> None:
        """Sees nothing."""

    def finish(self) -> Mapping[str, str | int]:
        raise KeyError(SECRET)

    def close(self) -> None:
        """Holds nothing."""


def defective_tap(attempt: Attempt, *, size: int | None) -> Tap | None:
    return DefectiveTap()


def test_a_defect_of_a_driver_tells_its_place_and_not_its_text() -> None:
    with pytest.raises(errors.StoreUnavailable) as caught:
        Defective().stat("key")
    assert str(caught.value.detail).startswith("KeyError at test_places.py:")
    assert str(caught.value.detail).endswith(" in _stat")
    assert SECRET not in f"{caught.value} {caught.value.detail}"


def test_a_defect_of_a_tap_tells_its_place_and_not_its_text() -> None:
    world = World(taps=[defective_tap])
    with pytest.raises(errors.ImgstoreError) as caught:
        world.upload([b"x"])
    assert str(caught.value.detail).startswith("KeyError at test_places.py:")
    assert SECRET not in f"{caught.value} {caught.value.detail}"
    assert world.status == "queued"


@pytest.mark.parametrize("algorithm", ["crc32", "SHA512", "shake_128", ""])
def test_an_algorithm_that_cannot_be_used_is_refused_before_any_upload(algorithm: str) -> None:
    with pytest.raises(errors.UsageError, match="hash"):
        UploadSettings(hash_algo=algorithm)
