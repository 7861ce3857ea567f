"""Glance's database as the catalog of `purge`, `verify` and `scrub` (`imgstore.hosting.inventory`). It only reads.

A location is a URL there. It is data of a store if the store's driver reads it as one of its own, whatever backend
Glance has noted beside it; a credential in it is dropped unread. Backends that are not imgstore's are left out.

An object is dead only if all of this is so: its key is one that an upload of a known image has, no location names it,
the image has no location of this store that its driver cannot read, and no upload or import of the image is under way.
What Glance never knew, or has purged from its database, is unknown, and stays. So is what is left of an image that
should have data and has no location at all: the database lost it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple

from imgstore import errors
from imgstore.model import CatalogLocation, Standing
from imgstore.sql import GlanceImage, GlanceLocation, GlanceTables
from imgstore.sql.glance import PENDING, WITH_DATA
from imgstore.sql.spool import in_order
from imgstore.store import Store, StoreSet

UPLOADING = ("saving", "uploading", "importing")
FEW = 100
"""So many objects are looked up by themselves; for more, all locations are read once."""
_KEY = re.compile(r"(?P<image>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:-[0-9a-f]{16})?", re.ASCII)


class GlanceCatalog:
    """An Inventory. `backends`: all that Glance has enabled; `stores`: those of them that are ours. All methods raise
    CatalogUnavailable, and StoreError where a driver must look something up to read a URL."""

    def __init__(self, tables: GlanceTables, stores: StoreSet, *, backends: Collection[str]) -> None:
        self._tables = tables
        self.urls = Urls(stores, elsewhere=set(backends))
        self.locations = GlanceLocations(tables, self.urls)
        self.restored = NeverRestored()

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """See Inventory."""
        wanted = {key: _image_of(key) for key in keys}
        ids = {image_id for image_id in wanted.values() if image_id is not None}
        images = self._tables.images(ids)  # before the locations: an upload that ends meanwhile has its location then
        few = len(wanted) <= FEW
        found = self._tables.locations_of(wanted, ids) if few else self._tables.locations()
        live, doubtful, located = self._taken(store, found, wanted, images)
        whole = {each.id: each for each in images.values() if each.id in located or each.status not in WITH_DATA}
        return {
            key: live.get(key) or _standing(whole.get(image_id or ""), doubtful=image_id in doubtful)
            for key, image_id in wanted.items()
        }

    def changed(self, key: str) -> float:
        """When the image of this key was changed last, for Glance; 0 if it is unknown."""
        image_id = _image_of(key) or ""
        image = self._tables.images([image_id]).get(image_id)
        return 0.0 if image is None else image.changed

    def _taken(
        self, store: str, found: Iterable[GlanceLocation], keys: Collection[str], images: Collection[str]
    ) -> tuple[dict[str, Standing], set[str], set[str]]:
        """Which of the keys have a location in the store; the images with a location that may be there, or not; and
        those of `images` with any."""
        live: dict[str, Standing] = {}
        doubtful, located = set(), set()
        for location in found:
            if location.image_id in images:
                located.add(location.image_id)
            key = self.urls.key(store, location)
            if key in keys and key is not None and live.get(key) is not Standing.LIVE:
                live[key] = Standing.REMOVING if location.pending else Standing.LIVE
            elif key is None and self.urls.may_be_in(store, location):
                doubtful.add(location.image_id)
        return live, doubtful, located


class GlanceLocations:
    """Implements Locations."""

    def __init__(self, tables: GlanceTables, urls: Urls) -> None:
        self._tables = tables
        self._urls = urls

    def stores(self) -> set[str]:
        """See Locations."""
        named = {each.store for each in self._living() if each.store is not None}
        return named - self._urls.elsewhere

    def in_store(self, store: str, *, after: str = "") -> Iterator[CatalogLocation]:
        """See Locations. A key is in a URL, so they are sorted here."""
        rows = ((data.key, *astuple(data)) for data in self._data(store) if data.key > after)
        yield from (CatalogLocation(*row) for _, *row in in_order(rows, width=6))

    def number_in(self, store: str) -> int:
        """See Locations. Of a store that is not ours it is what Glance says."""
        if store in self._urls.stores:
            return sum(1 for _ in self._data(store))
        return sum(1 for location in self._living() if location.store == store)

    def strays(self, store: str) -> Sequence[str]:
        """See Locations."""
        named = (location for location in self._living() if location.store == store)
        return [each.image_id for each in named if self._urls.key(store, each) is None]

    def images_without(self) -> Sequence[str]:
        """See Locations."""
        return self._tables.active_without_location()

    def _data(self, store: str) -> Iterator[CatalogLocation]:
        return (data_at(each, key) for each in self._living() if (key := self._urls.key(store, each)))

    def _living(self) -> Iterator[GlanceLocation]:
        return (location for location in self._tables.locations() if not location.pending)


class Urls:
    """Which URL is of an object in which store. `elsewhere`: backends of Glance, of which those that are not ours have
    no data in our stores."""

    def __init__(self, stores: Iterable[Store], *, elsewhere: Collection[str]) -> None:
        self._stores = {store.identifier: store for store in stores}
        self.elsewhere = set(elsewhere) - set(self._stores)

    @property
    def stores(self) -> set[str]:
        """The stores that are ours."""
        return set(self._stores)

    def key(self, store: str, location: GlanceLocation) -> str | None:
        """The object's key in this store; None for the URL of anything else. Raises StoreError."""
        found = self._stores[store]
        try:
            with found.blamed():
                return found.driver.key_from_url(location.url)
        except errors.InvalidKey:
            return None

    def may_be_in(self, store: str, location: GlanceLocation) -> bool:
        """Whether Glance says that it is in this store, or says of no backend that it has now that it is there."""
        others = (set(self._stores) - {store}) | self.elsewhere
        return location.store is None or location.store not in others


class NeverRestored:
    """A Doubt. Nobody can tell whether Glance's database comes from a backup; `purge` compares times instead."""

    def reason(self) -> str | None:
        """See Doubt."""
        return None


def data_at(location: GlanceLocation, key: str) -> CatalogLocation:
    """What should be there."""
    return CatalogLocation(location.image_id, key, location.size, location.hash_algo, location.hash_value)


def _image_of(key: str) -> str | None:
    """The image for which Glance's drivers, or ours, write under this key."""
    match = _KEY.fullmatch(key)
    return None if match is None else match["image"]


def _standing(image: GlanceImage | None, *, doubtful: bool) -> Standing:
    """Of an object that no location names."""
    if image is None:
        return Standing.UNKNOWN
    if doubtful:
        return Standing.LIVE
    if image.status == PENDING:
        return Standing.REMOVING
    if not image.deleted and (image.status in UPLOADING or image.importing):
        return Standing.UNDER_WAY
    return Standing.DEAD
