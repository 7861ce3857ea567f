"""`imgstore ls`."""

from __future__ import annotations

import argparse
import logging

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.failures import FAILED
from imgstore.cli.formatting import SizeInColumn, Time
from imgstore.driver.capabilities import ListsObjects
from imgstore.model import ObjectInfo
from imgstore.store import Store

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "key", "size", "modified")


class Ls(ListCommand):
    """List objects.

    What is being written, or was left by an upload that died, is no object. A store whose driver cannot list is said
    on standard error, and the exit status is 1.
    """

    EXAMPLES = """
        imgstore ls                                      of all stores
        imgstore ls slow --sort-column size
        imgstore ls -f value -c key fast
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stores", metavar="STORE", nargs="*", help="of which; default: all")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        rows = []
        with configured(parsed_args) as found:
            for store in found.chosen(parsed_args.stores):
                name = store.identifier
                rows += [(name, info.key, SizeInColumn(info.size), Time(info.modified)) for info in self._of(store)]
        return COLUMNS, rows

    def _of(self, store: Store) -> list[ObjectInfo]:
        if not isinstance(store.driver, ListsObjects):
            LOG.error("Store '%s': its driver cannot list objects.", store.identifier)
            self.status = FAILED
            return []
        with store.blamed():
            return sorted(store.driver.objects(), key=lambda info: info.key)
