"""Glance's database as the catalog, for the commands that are given Glance's configuration.

It is read and never written. Which place is whose, Glance's processes have noted on this machine (`places_dir`): a
store whose place is noted works only there, as it does in Glance.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgstore import config
from imgstore.cli.configuration import Configured
from imgstore.cli.database import database_failures
from imgstore.driver.capabilities import HasPlace
from imgstore.errors import ConfigurationError
from imgstore.glance.places import PLACES_DIR, PlaceFiles

if TYPE_CHECKING:
    from imgstore.glance.catalog import GlanceCatalog
    from imgstore.glance.scrubs import ScrubFiles
    from imgstore.sql import Address

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class GlanceData:
    """The catalog, and how far the scrubs of its data have come."""

    catalog: GlanceCatalog
    scrubs: ScrubFiles


@contextlib.contextmanager
def glance_data(
    found: Configured, options: argparse.Namespace, *, unless: object | None
) -> Iterator[GlanceData | None]:
    """What Glance's database tells. None if the configuration is not Glance's or names no database, or if the user
    names the service's, which is `unless` if it is there. Raises ConfigurationError, Failure."""
    service = options.data_dir is not None or unless is not None
    settings = None if service else config.glance_settings(found.files)
    if settings is None or settings.database is None:
        if settings is not None:
            LOG.warning("Glance's configuration has no [database] connection: only the stores are looked at.")
        yield None
        return
    address, notes = _address(settings.database), _notes(found, settings)
    _expect_noted(found, notes)
    from imgstore.glance.catalog import GlanceCatalog
    from imgstore.glance.scrubs import ScrubFiles
    from imgstore.sql import Database, GlanceTables

    with database_failures(address), contextlib.closing(Database(address, read_only=True)) as database:
        tables = GlanceTables(database)
        catalog = GlanceCatalog(tables, found.stores, backends=settings.backends)
        yield GlanceData(catalog, ScrubFiles(tables, catalog.urls, notes))


def _address(text: str) -> Address:
    from imgstore.sql import glance_address

    try:
        return glance_address(text)
    except ValueError as error:
        cure = "Write a URL of MySQL, PostgreSQL or SQLite."
        raise ConfigurationError(f"{error}.", section="database", option="connection", cure=cure) from None


def _notes(found: Configured, settings: config.GlanceSettings) -> Mapping[str, PlaceFiles]:
    names = [store.identifier for store in found.stores]
    return {name: PlaceFiles(settings.places_dirs.get(name, PLACES_DIR)) for name in names}


def _expect_noted(found: Configured, notes: Mapping[str, PlaceFiles]) -> None:
    for store in found.stores:
        mark = notes[store.identifier].known(store.identifier)
        if mark is not None and isinstance(store.driver, HasPlace) and store.driver.place.markable:
            store.driver.expect_mark(mark)
