"""Several stores, of which one has no room for its copy, as the quota says that counts it (law 4)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from imgstore import errors, quota
from imgstore.model import Attempt, Location, UploadRequest
from imgstore.transfers.begin import ALL, ANY
from imgstore.transfers.upload import UploadService
from tests.core.several import NAMES, SeveralStores, helpers
from tests.core.world import IMAGE


class RoomIn:
    """A quota that keeps the stores' capacities, as a ledger does that all processes share."""

    def __init__(self, capacities: Mapping[str, int]) -> None:
        refusal = quota.capacity_refusal
        self._accounts = {name: quota.Account(size, refusal=refusal) for name, size in capacities.items()}

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> quota.Hold:
        return self._accounts[store].reserve(size)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        self._accounts[location.store].give_back(size)

    def held(self) -> set[int]:
        return {account.held for account in self._accounts.values()}


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize("mode", [ALL, ANY])
def test_law_4_store_without_room_is_left_out_where_one_is_enough(size: int | None, mode: str) -> None:
    """Told by the quota: before the first byte where the size is known, at the byte that exceeds where it is not."""
    world = SeveralStores(mode)
    rooms = RoomIn({"fast": 5000, "cold": 999, "far": 5000})
    service = UploadService(world.stores, catalog=world.rows, quota=rooms, settings=world.settings)
    try:
        with service.begin(UploadRequest(IMAGE, stores=NAMES, size=size)) as session:
            for _ in range(10):
                session.write(bytes(100))
            session.finish()
    except errors.StoreFull:
        assert mode == ALL
        assert world.objects() == {}
    else:
        assert mode == ANY
        assert set(world.objects()) == {f"fast/{IMAGE}", f"far/{IMAGE}"}
    assert sum(map(len, world.drivers["cold"].chunks)) <= 999
    assert rooms.held() == {0}
    assert helpers() == []


def test_law_4_the_last_store_without_room_fails_the_upload() -> None:
    world = SeveralStores(ANY)
    rooms = RoomIn(dict.fromkeys(NAMES, 999))
    service = UploadService(world.stores, catalog=world.rows, quota=rooms, settings=world.settings)

    def upload(size: int | None) -> None:
        with service.begin(UploadRequest(IMAGE, stores=NAMES, size=size)) as session:
            session.write(bytes(1000))
            session.finish()

    for size in (None, 1000):
        with pytest.raises(errors.StoreFull):
            upload(size)
        assert (rooms.held(), helpers(), world.objects(), world.status) == ({0}, [], {}, "queued")
