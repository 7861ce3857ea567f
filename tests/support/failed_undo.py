"""A service on one store: an upload fails, what it wrote cannot be removed, and recovery removes it later."""

from __future__ import annotations

from collections.abc import Callable, Set
from pathlib import Path

from imgstore.driver import StoreDriver
from imgstore.store import Store, StoreSet
from tests.support.service import LocalService


def recovers_what_stayed(
    root: Path, driver: StoreDriver, body: bytes, *, fail: Callable[[], object], heal: Callable[[], object],
    names: Callable[[], Set[str]],
) -> None:  # fmt: skip
    """`fail`: from now on the store takes no whole image and removes nothing; `names`: what is in it."""
    with LocalService(root, StoreSet([Store("fast", driver)], default="fast")).running() as local:
        empty = set(names())
        image = local.client.create()
        fail()
        assert local.client.upload(image, body).status == 503
        assert names() > empty, "something stayed"
        assert local.catalog.removals() == [image]
        heal()
        local.service.keeper.recovery.recover(at_once=True)
        assert (set(names()), local.catalog.removals()) == (empty, [])
        assert local.client.upload(image, body).status == 204
        assert local.client.delete(image).status == 204
        assert set(names()) == empty
        charges = local.service.quota.accounts().values()
        assert not any(charge.used or charge.held for charge in charges)
