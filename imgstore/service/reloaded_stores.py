"""What another configuration means for the stores of a service that runs: which are new, which changed, what must wait.

A store keeps its driver while the driver's options stay. If they changed (a key, a timeout), another driver takes over
where the place and its mark are the same ones; what is under way goes on with the former driver.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from imgstore.config.options import STORE_OPTIONS
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import HasPlace
from imgstore.store import Store

Key = tuple[str, str]
"""Section and option."""
ENABLED = ("imgstore", "enabled_stores")
LIVE = ("description", "weight", "read_only", "project_quota")
"""Options of every store that take effect at once."""
COMMON = {option.dest for option in STORE_OPTIONS} - {*LIVE}
"""Those that do not."""


@dataclass(frozen=True)
class StoreChanges:
    """`stores`: those that are enabled from now on, `added` among them. `replaced` drivers are used no more by what
    begins now; `unused` ones by nobody. `waiting`: options that take effect at the next start."""

    stores: Sequence[Store]
    added: Sequence[Store]
    replaced: Sequence[StoreDriver]
    unused: Sequence[StoreDriver]
    waiting: Set[Key]


def compared(former: Sequence[Store], built: Sequence[Store], *, changed: Set[Key]) -> StoreChanges:
    """From the `former` stores to those that were `built` from a configuration, in which the options `changed`. A store
    that is not in it any more stays until the next start."""
    new = {store.identifier: store for store in built}
    kept = [_kept(store, new.get(store.identifier), changed) for store in former]
    names = {store.identifier for store in former}
    added = [store for store in built if store.identifier not in names]
    used = [store.driver for store in (*kept, *added)]
    return StoreChanges(
        stores=(*kept, *added),
        added=added,
        replaced=[store.driver for store in former if store.driver not in used],
        unused=[store.driver for store in built if store.driver not in used],
        waiting={key for old, now in zip(former, kept, strict=True) for key in _waiting(old, now, new, changed)},
    )


def _kept(store: Store, built: Store | None, changed: Set[Key]) -> Store:
    if built is None:
        return store
    driver = store.driver
    if _driver_options(store, changed) and _may_take_over(built.driver, driver):
        driver = built.driver
        driver.expect_mark(str(store.driver.mark))
    return replace(store, driver=driver, **{name: getattr(built, name) for name in LIVE})


def _driver_options(store: Store, changed: Set[Key]) -> Set[Key]:
    return {key for key in changed if key[0] == store.identifier and key[1] not in (*LIVE, *COMMON)}


def _may_take_over(driver: StoreDriver, former: StoreDriver) -> bool:
    """Only at a place that is marked: whatever the options say, it is proved to be the same one."""
    is_same = type(driver) is type(former) and isinstance(driver, HasPlace) and isinstance(former, HasPlace)
    return is_same and former.mark is not None and _is_at(driver, former)


def _is_at(driver: object, former: object) -> bool:
    if not (isinstance(driver, HasPlace) and isinstance(former, HasPlace)):
        return False
    one, other = driver.place, former.place
    return (one.kind, one.root, one.path) == (other.kind, other.root, other.path)


def _waiting(old: Store, now: Store, new: dict[str, Store], changed: Set[Key]) -> Set[Key]:
    built = new.get(old.identifier)
    if built is None or type(built.driver) is not type(old.driver):
        return {ENABLED}
    common = {(old.identifier, name) for name in COMMON} & changed
    return common | (_driver_options(old, changed) if now.driver is old.driver else set())
