"""`imgstore ls`."""

from __future__ import annotations

import argparse
import logging

from imgstore.cli.base import ListCommand, Table, add_stores
from imgstore.cli.configuration import configured
from imgstore.cli.failures import FAILED
from imgstore.cli.formatting import AlignedSizeCell, TimeCell
from imgstore.driver.capabilities import ListsObjects
from imgstore.model import ObjectInfo
from imgstore.store import Store

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "key", "size", "modified")


class Ls(ListCommand):
    """List objects.

    Uploads under way and leftovers are not listed. If a store's driver cannot list objects, standard error says so and
    the exit status is 1.
    """

    EXAMPLES = """
        imgstore ls                                      of all stores
        imgstore ls slow --sort-column size
        imgstore ls -f value -c key fast
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stores(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        rows = []
        with configured(parsed_args) as found:
            for store in found.chosen(parsed_args.stores):
                name = store.identifier
                rows += [
                    (name, info.key, AlignedSizeCell(info.size), TimeCell(info.modified)) for info in self._of(store)
                ]
        return COLUMNS, rows

    def _of(self, store: Store) -> list[ObjectInfo]:
        if not isinstance(store.driver, ListsObjects):
            LOG.error("Store '%s': its driver cannot list objects.", store.identifier)
            self.status = FAILED
            return []
        with store.blamed():
            return sorted(store.driver.objects(), key=lambda info: info.key)
