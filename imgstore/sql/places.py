"""What the catalog remembers of the stores' places (`imgstore.transfers.places.PlaceMemory`)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from imgstore.model import KnownPlace
from imgstore.sql.database import Database
from imgstore.sql.schema import LIVE, LOCATIONS, PLACES

SOME = 5
"""Objects that tell a place that has no mark."""


class SqlPlaces:
    """Implements PlaceMemory. All methods raise CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known_place(self, store: str) -> KnownPlace | None:
        """See PlaceMemory."""
        return self._database.read(lambda connection: _known(connection, store))

    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        """See PlaceMemory. Of two who are first at once, one fails on the key of the table and looks again."""

        def work(connection: sa.Connection) -> KnownPlace:
            known = _known(connection, store)
            if known != instead_of:
                return known or place
            _write(connection, store, place, instead_of)
            return place

        try:
            return self._database.change(work)
        except _OtherFirst:
            return self.known_place(store) or place

    def some_keys(self, store: str) -> Sequence[str]:
        """See PlaceMemory."""
        here = sa.select(LOCATIONS.c.key).where(LOCATIONS.c.store == store, LOCATIONS.c.state == LIVE).limit(SOME)
        return self._database.read(lambda connection: list(connection.scalars(here)))


def _known(connection: sa.Connection, store: str) -> KnownPlace | None:
    row = connection.execute(sa.select(PLACES).where(PLACES.c.store == store)).one_or_none()
    return None if row is None else KnownPlace(row.mark, bool(row.written))


def _write(connection: sa.Connection, store: str, place: KnownPlace, instead_of: KnownPlace | None) -> None:
    values = {"mark": place.mark, "written": place.written}
    if instead_of is None:
        try:
            connection.execute(sa.insert(PLACES).values(store=store, epoch=0, **values))
        except sa.exc.IntegrityError as error:
            raise _OtherFirst from error
        return
    before = (PLACES.c.store == store, PLACES.c.mark == instead_of.mark, PLACES.c.written == instead_of.written)
    if connection.execute(sa.update(PLACES).where(*before).values(**values)).rowcount != 1:
        raise _OtherFirst


class _OtherFirst(Exception):
    """Another process remembered a place of the store at the same moment."""
