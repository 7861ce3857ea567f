"""Compares the catalog with the stores, both ways, and with the quota, while the service runs. It changes nothing.

Catalog and store go side by side in the order of keys, so memory does not grow with them. A difference in a store is
looked at a second time before it is told, since images come and go meanwhile; catalog and quota are compared as of one
moment. Uploads under way with their holds, and objects that are still to be removed, are no differences.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.capabilities import ListsObjects
from imgstore.hosting.inventory import Inventory
from imgstore.model import MIB, CatalogLocation, Standing
from imgstore.sql import AuditedAccount, Charge, Database, LedgerAccount, compare
from imgstore.sql.spool import in_order
from imgstore.store import Store, StoreSet
from imgstore.transfers.digests import new_hash
from imgstore.transfers.listings import AT_ONCE, listed, portions

MISSING, SIZE, DIGEST, UNREADABLE = "missing", "size", "digest", "unreadable"
UNKNOWN, NO_DATA, NO_STORE, ELSEWHERE, USAGE = "unknown object", "no data", "no store", "elsewhere", "usage"

FEW = 10
"""Keys that are passed together where each object is read."""

_WHY_UNKNOWN = {
    Standing.UNKNOWN: "no image has it",
    Standing.DEAD: "an upload that ended left it: 'imgstore purge' removes it",
}
_WHY_RESTORED = {
    Standing.UNKNOWN: "no image has it; it may be of an upload after the backup: see 'imgstore adopt'",
    Standing.UNDER_WAY: "of an upload that was under way at the backup, and may have ended well: see 'imgstore adopt'",
    Standing.REMOVING: "the restored catalog would remove it",
    Standing.DEAD: "the restored catalog would remove it: its upload ended without it",
}
"""What there is to see before a restored database goes on."""
_CURE = "'imgstore usage --recompute --fix' puts it right"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be. A part that does not apply is empty; `detail` is for people."""

    problem: str
    store: str = ""
    key: str = ""
    image: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What there is of one key: the size of the object in the store, and what should be there; None for nothing."""

    key: str
    size: int | None = None
    place: CatalogLocation | None = None

    @property
    def agrees(self) -> bool:
        """Whether there is no difference."""
        return self.place is not None and self.size is not None and self.place.size in (None, self.size)


Passed = Callable[[Store, int, str], object]
"""Told how many keys of a store are compared, and the last of them."""


class Verification:
    """Finds differences. `digests`: reads each object whole and compares its digest with the one of its upload."""

    def __init__(
        self, catalog: Inventory, stores: StoreSet, *, digests: bool = False, passed: Passed = lambda *_: None
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._digests = digests
        self._passed = passed

    def of_catalog(self) -> Iterator[Difference]:
        """What the catalog alone shows. Raises CatalogUnavailable."""
        for image_id in self._catalog.locations.images_without():
            yield Difference(NO_DATA, image=image_id, detail="the image is active and has no location")
        enabled = {store.identifier for store in self._stores}
        for store in sorted(self._catalog.locations.stores() - enabled):
            number = self._catalog.locations.number_in(store)
            yield Difference(NO_STORE, store, detail=f"{number} images have data there, and it is not enabled")

    def of_store(self, store: Store, *, after: str = "") -> Iterator[Difference]:
        """What differs between the catalog and one store, of the keys greater than `after`, in their order. Raises
        StoreError, CatalogUnavailable."""
        compared = 0
        for pairs in portions(self._side_by_side(store, after), FEW if self._digests else AT_ONCE):
            yield from self._unknown(store, [pair.key for pair in pairs if pair.place is None])
            yield from self._again(store, [pair.place for pair in pairs if pair.place and not pair.agrees])
            for place in [pair.place for pair in pairs if pair.place and pair.agrees and self._digests]:
                yield from self._read(store, place)
            compared += len(pairs)
            self._passed(store, compared, pairs[-1].key)
        for image_id in self._catalog.locations.strays(store.identifier):
            yield Difference(ELSEWHERE, store.identifier, "", image_id, "its URL does not lead into the store")

    def _side_by_side(self, store: Store, after: str) -> Iterator[Pair]:
        objects = (Pair(key, size) for key, size in in_order(_sizes(store, after), width=2))
        places = self._catalog.locations.in_store(store.identifier, after=after)
        both = heapq.merge(objects, (Pair(place.key, place=place) for place in places), key=_key)
        return (_one(key, list(same)) for key, same in itertools.groupby(both, key=_key))

    def _unknown(self, store: Store, keys: Sequence[str]) -> Iterator[Difference]:
        standings = self._catalog.standings(store.identifier, keys) if keys else {}
        why = _WHY_RESTORED if self._catalog.restored.reason() else _WHY_UNKNOWN
        for key in keys:
            if standings[key] in why and _size(store, key) is not None:
                yield Difference(UNKNOWN, store.identifier, key, detail=why[standings[key]])

    def _again(self, store: Store, suspects: Sequence[CatalogLocation]) -> Iterator[Difference]:
        """Looks into the store, and then asks the catalog once about all that still differ."""
        looked_at = (_compared(store, place, _size(store, place.key)) for place in suspects)
        return self._if_live(store, [difference for difference in looked_at if difference is not None])

    def _read(self, store: Store, place: CatalogLocation) -> Iterator[Difference]:
        if not place.hash_algo or not place.hash_value:
            return
        try:
            value = _digest(store, place.key, place.hash_algo)
        except errors.ObjectNotFound:
            yield from self._again(store, [place])
            return
        except errors.StoreError as error:
            yield _difference(UNREADABLE, store, place, error.message)
            return
        if value != place.hash_value:
            detail = f"its {place.hash_algo} is {value}"
            yield from self._if_live(store, [_difference(DIGEST, store, place, detail)])

    def _if_live(self, store: Store, found: Sequence[Difference]) -> Iterator[Difference]:
        standings = self._catalog.standings(store.identifier, [each.key for each in found]) if found else {}
        yield from (each for each in found if standings[each.key] is Standing.LIVE)


def of_usage(database: Database) -> Iterator[Difference]:
    """What the quota counts and the catalog does not, or the other way round; single images only where the sum of each
    account is right all the same. Raises CatalogUnavailable."""
    audit = compare(database)
    for finding in audit.wrong:
        yield Difference(USAGE, finding.account.store, detail=_miscounted(finding))
    for image_id in () if audit.wrong else audit.images:
        yield Difference(USAGE, image=image_id, detail=f"it is counted wrong: {_CURE}")


def _key(pair: Pair) -> str:
    return pair.key


def _one(key: str, found: Sequence[Pair]) -> Pair:
    """What `found` has of one key. A listing may have an object twice that is written anew meanwhile."""
    size = next((pair.size for pair in found if pair.size is not None), None)
    return Pair(key, size, next((pair.place for pair in found if pair.place is not None), None))


def _sizes(store: Store, after: str) -> Iterator[tuple[str, int]]:
    if isinstance(store.driver, ListsObjects):
        for found in listed(store, store.driver.objects()):
            yield from ((info.key, info.size) for info in found if info.key > after)


def _compared(store: Store, place: CatalogLocation, size: int | None) -> Difference | None:
    if size is None:
        return _difference(MISSING, store, place, "the object is not in the store")
    if place.size not in (None, size):
        return _difference(SIZE, store, place, f"{size} bytes, where the image has {place.size}")
    return None


def _difference(problem: str, store: Store, place: CatalogLocation, detail: str) -> Difference:
    return Difference(problem, store.identifier, place.key, place.image_id, detail)


def _size(store: Store, key: str) -> int | None:
    try:
        with store.blamed():
            return store.driver.stat(key).size
    except errors.ObjectNotFound:
        return None


def _digest(store: Store, key: str, algorithm: str) -> str:
    digest = new_hash(algorithm)
    with store.blamed(), store.driver.open_reader(key) as reader:
        while data := reader.read(MIB):
            digest.update(data)
    return digest.hexdigest()


def _miscounted(finding: AuditedAccount) -> str:
    counted, true = _figures(finding.counted, finding.account), _figures(finding.true, finding.account)
    wrong = [f"{counted[name]} {name} are counted, not {true[name]}" for name in true if counted[name] != true[name]]
    owner = f"project {finding.account.owner}: " if finding.account.owner else ""
    return f"{owner}{', '.join(wrong)}: {_CURE}"


def _figures(charge: Charge, account: LedgerAccount) -> Mapping[str, int]:
    things = "objects" if account.store else "images"
    return {"bytes in use": charge.used, "bytes held": charge.held, things: charge.images, "uploads": charge.uploads}
