"""What `verify` and `scrub` ask a catalog: small protocols, which `SqlCatalog`, Glance's database, and a host's own
catalog satisfy. Nothing here changes a catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from imgstore.model import CatalogLocation, ScrubCursor, Standing


class Locations(Protocol):
    """Where the catalog says that the images' data is. All methods raise CatalogUnavailable."""

    def stores(self) -> set[str]:
        """The stores that have data of images, and that should be enabled."""

    def in_store(self, store: str, *, after: str = "") -> Iterator[CatalogLocation]:
        """The data in one store with keys greater than `after`, in the order of the keys' code points. It is read page
        by page: what comes or goes meanwhile may or may not be seen."""

    def number_in(self, store: str) -> int:
        """How many locations there are in one store."""

    def strays(self, store: str) -> Sequence[str]:
        """Images that have a location in this store whose URL does not lead into it."""

    def images_without(self) -> Sequence[str]:
        """Images whose status says that they have data, but that have no location."""


class Doubt(Protocol):
    """Whether the catalog may be older than what is in the stores."""

    def reason(self) -> str | None:
        """Why it may be, for people; None if it is not."""


class Inventory(Protocol):
    """A catalog that can be compared with the stores."""

    @property
    def locations(self) -> Locations:
        """Where the data is."""

    @property
    def restored(self) -> Doubt:
        """Whether it was restored from a backup."""

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """See KeptCatalog. Raises CatalogUnavailable."""


class ScrubProgress(Protocol):
    """How far the reading of all data has come, store by store. All methods raise CatalogUnavailable."""

    def cursor(self, store: str) -> ScrubCursor:
        """Where to go on in a store."""

    def save(self, cursor: ScrubCursor) -> None:
        """Whoever goes on begins there."""

    def following(self, cursor: ScrubCursor, limit: int) -> Sequence[tuple[int, CatalogLocation]]:
        """The next data in the store, with its number."""
