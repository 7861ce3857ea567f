"""Right blame without secrets: a defect is found by its place in the log, and its text stays unsaid."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo
from tests.core.faults import Faults, FaultyTaps
from tests.core.world import World

SECRET = "hunter2"


class Defective(MemoryDriver):
    def _stat(self, key: str) -> ObjectInfo:
        raise KeyError(SECRET)


def test_a_defect_of_a_driver_tells_its_place_and_not_its_text() -> None:
    with pytest.raises(errors.StoreUnavailable) as caught:
        Defective().stat("key")
    assert str(caught.value.detail).startswith("KeyError at test_places.py:")
    assert str(caught.value.detail).endswith(" in _stat")
    assert SECRET not in f"{caught.value} {caught.value.detail}"


def test_a_defect_of_a_tap_tells_its_place_and_not_its_text() -> None:
    tap = FaultyTaps(Faults(fail_at=2, error=KeyError(SECRET)))
    world = World(taps=[tap])
    with pytest.raises(errors.ImgstoreError) as caught:
        world.upload([b"x"])
    assert tap.calls == ["taps.open", "tap.write", "tap.finish", "tap.close"]
    assert str(caught.value.detail).startswith("KeyError at faults.py:")
    assert SECRET not in f"{caught.value} {caught.value.detail}"
    assert world.status == "queued"
