"""`imgstore stores`."""

from __future__ import annotations

import argparse
import contextlib

from imgstore import errors
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.failures import line_of
from imgstore.cli.formatting import SizeInColumn, YesNo
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.model import Space
from imgstore.store import Store

COLUMNS = ("store", "driver", "default", "read_only", "health", "free", "total", "description")
NOBODY = "imgstore-health"
"""A key that is looked up: that it is not there is an answer of the storage."""


class Stores(ListCommand):
    """List the stores, their health and their room.

    Nothing is written: healthy is a store that answers. 'imgstore check' proves more.
    """

    EXAMPLES = """
        imgstore stores
        imgstore stores -f json -c store -c free
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with configured(parsed_args) as found:
            rows = []
            for store in found.stores:
                health, space = _health(store)
                rows.append(
                    (
                        store.identifier,
                        found.drivers[store.identifier],
                        YesNo(store.identifier == found.stores.default),
                        YesNo(store.read_only or store.driver.READ_ONLY),
                        health,
                        SizeInColumn(space.free),
                        SizeInColumn(space.total),
                        store.description,
                    )
                )
        return COLUMNS, rows


def _health(store: Store) -> tuple[str, Space]:
    try:
        with contextlib.suppress(errors.ObjectNotFound):
            store.driver.stat(NOBODY)
        if isinstance(store.driver, MeasuresSpace):
            return "ok", store.driver.space()
    except errors.ImgstoreError as error:
        return line_of(error), Space(total=None, free=None)
    return "ok", Space(total=None, free=None)
