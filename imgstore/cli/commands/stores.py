"""`imgstore stores`."""

from __future__ import annotations

import argparse
import contextlib

from imgstore import errors
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.failures import line_of
from imgstore.cli.formatting import AlignedSizeCell, YesNo
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.model import Space
from imgstore.store import Store

COLUMNS = ("store", "driver", "default", "read_only", "health", "free", "total", "description")
ABSENT_KEY = "imgstore-health"
"""A key to look up: a storage that works answers that there is no such object."""


class Stores(ListCommand):
    """List the stores with their health and free space.

    A store is healthy if it answers. Nothing is written; 'imgstore check' tests more.
    """

    EXAMPLES = """
        imgstore stores
        imgstore stores -f json -c store -c free
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
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
                        AlignedSizeCell(space.free),
                        AlignedSizeCell(space.total),
                        store.description,
                    )
                )
        return COLUMNS, rows


def _health(store: Store) -> tuple[str, Space]:
    try:
        with contextlib.suppress(errors.ObjectNotFound):
            store.driver.stat(ABSENT_KEY)
        if isinstance(store.driver, MeasuresSpace):
            return "ok", store.driver.space()
    except errors.ImgstoreError as error:
        return line_of(error), Space(total=None, free=None)
    return "ok", Space(total=None, free=None)
