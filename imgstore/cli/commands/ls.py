"""`imgstore ls`."""

from __future__ import annotations

import argparse
import logging

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import Configured, configured
from imgstore.cli.failures import FAILED
from imgstore.cli.formatting import AlignedSizeCell, TimeCell
from imgstore.driver.capabilities import ListsObjects
from imgstore.model import ObjectInfo
from imgstore.store import Store

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "key", "size", "modified")
TOTALS = ("store", "objects", "size")


class Ls(ListCommand):
    """List objects.

    Uploads under way and leftovers are not listed. If a store's driver cannot list objects, standard error says so and
    the exit status is 1.
    """

    EXAMPLES = """
        imgstore ls                                      of all stores
        imgstore ls slow --sort-column size
        imgstore ls slow:debian-                         what begins with debian-
        imgstore ls --totals
        imgstore ls -f value -c key fast
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "stores", metavar="STORE[:PREFIX]", nargs="*", help="which stores, and how the keys begin; default: all"
        )
        parser.add_argument("--totals", action="store_true", help="count the objects of each store, and their bytes")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, TOTALS if parsed_args.totals else COLUMNS)
        with configured(parsed_args) as found:
            listed = [
                (store.identifier, self._of(store, prefixes))
                for store, prefixes in _asked_for(found, parsed_args.stores)
            ]
        if parsed_args.totals:
            return TOTALS, [
                (name, len(infos), AlignedSizeCell(sum(info.size for info in infos))) for name, infos in listed
            ]
        return COLUMNS, [
            (name, info.key, AlignedSizeCell(info.size), TimeCell(info.modified))
            for name, infos in listed
            for info in infos
        ]

    def _of(self, store: Store, prefixes: tuple[str, ...]) -> list[ObjectInfo]:
        if not isinstance(store.driver, ListsObjects):
            LOG.error("Store '%s': its driver cannot list objects.", store.identifier)
            self.status = FAILED
            return []
        with store.blamed():
            found = [info for info in store.driver.objects() if info.key.startswith(prefixes)]
        return sorted(found, key=lambda info: info.key)


def _asked_for(found: Configured, names: list[str]) -> list[tuple[Store, tuple[str, ...]]]:
    """Each store once, with the beginnings of keys. Raises BadUsage."""
    prefixes: dict[str, list[str]] = {}
    for name in names:
        store, _, prefix = name.partition(":")
        prefixes.setdefault(store, []).append(prefix)
    return [(store, tuple(prefixes.get(store.identifier, [""]))) for store in found.chosen(list(prefixes))]
