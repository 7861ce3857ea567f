"""`imgstore stores`."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial

from imgstore import errors
from imgstore.cli.base import ListCommand, Table, add_timeout, silence, wait_for
from imgstore.cli.configuration import configured
from imgstore.cli.database import add_optional_data_dir, needed, service_catalog
from imgstore.cli.failures import BadUsage, line_of
from imgstore.cli.formatting import AlignedSizeCell, YesNo
from imgstore.driver.capabilities import MeasuresSpace
from imgstore.model import Space
from imgstore.side_by_side import Begun
from imgstore.store import Store
from imgstore.transfers.places import adopt

COLUMNS = ("store", "driver", "default", "read_only", "health", "free", "total", "description")
ADOPT = "adopt"
ADOPTED = ("store", "place")
ANSWER_SECONDS = 10.0
ABSENT_KEY = "imgstore-health"
"""A key to look up: a storage that works answers that there is no such object."""


class Stores(ListCommand):
    """List the stores with health and free space, or adopt a place.

    A store is healthy if it answers. Nothing is written; 'imgstore check' tests more. All stores are asked at the same
    time: one that hangs, or is down, does not hide the others. After a second, each is told as it answers.

    'imgstore stores adopt STORE' is your word that what is at the store's place now is the store, after a move or a
    restore: it is marked, and the catalog remembers the mark. First look at it: 'imgstore verify STORE:'.
    """

    EXAMPLES = """
        imgstore stores
        imgstore stores adopt slow
        imgstore stores -f json -c store -c free
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", metavar="adopt", nargs="?", choices=[ADOPT], help="mark the places of STORE ...")
        parser.add_argument("stores", metavar="STORE", nargs="*", help="the stores whose places are adopted")
        add_timeout(parser, ANSWER_SECONDS)
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        if parsed_args.action == ADOPT:
            return self._adopted(parsed_args)
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with configured(parsed_args) as found:
            rows = []
            asked = Begun(
                {store.identifier: partial(_health, store) for store in found.stores}, seconds=parsed_args.timeout
            )
            wait_for(asked, lambda told: told[0], quiet=parsed_args.quiet)
            for store in found.stores:
                health, space = _answer(asked, store, parsed_args.timeout)
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

    def _adopted(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, ADOPTED)
        if not parsed_args.stores:
            raise BadUsage("name the stores whose places are the right ones: imgstore stores adopt STORE.")
        with configured(parsed_args, places=False) as found, service_catalog(parsed_args) as catalog:
            catalog = needed(catalog, "to remember a place")
            found.stores.refuse_shared_places()
            return ADOPTED, [
                (store.identifier, adopt(store, catalog.places, beside=found.stores))
                for store in found.chosen(parsed_args.stores)
            ]


def _answer(asked: Begun[tuple[str, Space]], store: Store, seconds: float) -> tuple[str, Space]:
    try:
        return asked.result(store.identifier)
    except TimeoutError:
        return silence(seconds), Space(total=None, free=None)


def _health(store: Store) -> tuple[str, Space]:
    try:
        with store.blamed():
            store.driver.prove_place()
        with contextlib.suppress(errors.ObjectNotFound):
            store.driver.stat(ABSENT_KEY)
        if isinstance(store.driver, MeasuresSpace):
            return "ok", store.driver.space()
    except errors.ImgstoreError as error:
        return line_of(error), Space(total=None, free=None)
    return "ok", Space(total=None, free=None)
