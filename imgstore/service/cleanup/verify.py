"""Compares the catalog with the stores, both ways, and with the quota, while the service runs. It changes nothing.

A difference in a store is looked at a second time before it is told, since images come and go meanwhile; catalog and
quota are compared as of one moment. Uploads under way with their holds, and objects that are still to be removed, are
no differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.capabilities import ListsObjects
from imgstore.hosting.inventory import Inventory
from imgstore.model import MIB, CatalogLocation, Standing
from imgstore.sql import AuditedAccount, Charge, Database, LedgerAccount, compare
from imgstore.store import Store, StoreSet
from imgstore.transfers.digests import new_hash

MISSING, SIZE, DIGEST, UNREADABLE = "missing", "size", "digest", "unreadable"
UNKNOWN, NO_DATA, NO_STORE, ELSEWHERE, USAGE = "unknown object", "no data", "no store", "elsewhere", "usage"

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


class Verification:
    """Finds differences. `digests`: reads each object whole and compares its digest with the one of its upload."""

    def __init__(self, catalog: Inventory, stores: StoreSet, *, digests: bool = False) -> None:
        self._catalog = catalog
        self._stores = stores
        self._digests = digests

    def of_catalog(self) -> Iterator[Difference]:
        """What the catalog alone shows. Raises CatalogUnavailable."""
        for image_id in self._catalog.locations.images_without():
            yield Difference(NO_DATA, image=image_id, detail="the image is active and has no location")
        enabled = {store.identifier for store in self._stores}
        for store in sorted(self._catalog.locations.stores() - enabled):
            number = len(self._catalog.locations.in_store(store))
            yield Difference(NO_STORE, store, detail=f"{number} images have data there, and it is not enabled")

    def of_store(self, store: Store) -> Iterator[Difference]:
        """What differs between the catalog and one store. Raises StoreError, CatalogUnavailable."""
        places = {place.key: place for place in self._catalog.locations.in_store(store.identifier)}
        if isinstance(store.driver, ListsObjects):
            with store.blamed():
                sizes = {info.key: info.size for info in store.driver.objects()}
            yield from self._unknown(store, [key for key in sizes if key not in places])
        else:
            sizes = {}
        yield from self._known(store, places, sizes)
        for image_id in self._catalog.locations.strays(store.identifier):
            yield Difference(ELSEWHERE, store.identifier, "", image_id, "its URL does not lead into the store")

    def _unknown(self, store: Store, keys: list[str]) -> Iterator[Difference]:
        standings = self._catalog.standings(store.identifier, keys)
        why = _WHY_RESTORED if self._catalog.restored.reason() else _WHY_UNKNOWN
        for key in keys:
            if standings[key] in why and _size(store, key) is not None:
                yield Difference(UNKNOWN, store.identifier, key, detail=why[standings[key]])

    def _known(
        self, store: Store, places: Mapping[str, CatalogLocation], sizes: Mapping[str, int]
    ) -> Iterator[Difference]:
        suspects = [key for key, place in places.items() if key not in sizes or place.size not in (None, sizes[key])]
        for key in suspects:
            yield from self._again(store, places[key])
        if self._digests:
            for key in places.keys() - set(suspects):
                yield from self._read(store, places[key])

    def _again(self, store: Store, place: CatalogLocation) -> Iterator[Difference]:
        size = _size(store, place.key)
        if size is None:
            found = Difference(MISSING, store.identifier, place.key, place.image_id, "the object is not in the store")
        elif place.size not in (None, size):
            detail = f"{size} bytes, where the image has {place.size}"
            found = Difference(SIZE, store.identifier, place.key, place.image_id, detail)
        else:
            return
        if self._is_still(store, place):
            yield found

    def _read(self, store: Store, place: CatalogLocation) -> Iterator[Difference]:
        if not place.hash_algo or not place.hash_value:
            return
        try:
            value = _digest(store, place.key, place.hash_algo)
        except errors.ObjectNotFound:
            yield from self._again(store, place)
            return
        except errors.StoreError as error:
            yield Difference(UNREADABLE, store.identifier, place.key, place.image_id, error.message)
            return
        if value != place.hash_value and self._is_still(store, place):
            detail = f"its {place.hash_algo} is {value}"
            yield Difference(DIGEST, store.identifier, place.key, place.image_id, detail)

    def _is_still(self, store: Store, place: CatalogLocation) -> bool:
        return self._catalog.standings(store.identifier, [place.key])[place.key] is Standing.LIVE


def of_usage(database: Database) -> Iterator[Difference]:
    """What the quota counts and the catalog does not, or the other way round; single images only where the sum of each
    account is right all the same. Raises CatalogUnavailable."""
    audit = compare(database)
    for finding in audit.wrong:
        yield Difference(USAGE, finding.account.store, detail=_miscounted(finding))
    for image_id in () if audit.wrong else audit.images:
        yield Difference(USAGE, image=image_id, detail=f"it is counted wrong: {_CURE}")


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
