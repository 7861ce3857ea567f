"""`imgstore purge`."""

from __future__ import annotations

import argparse
import logging

from imgstore import errors
from imgstore.capabilities import FindsLeftovers
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.failures import FAILED, GOOD, line_of, status_of
from imgstore.cli.parser import typed
from imgstore.cli.words import SizeInColumn, Time, YesNo, duration
from imgstore.model import Leftover
from imgstore.store import Store

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "name", "size", "modified", "reason", "removed")
HOUR = 3600.0


class Purge(ListCommand):
    """Remove what uploads left that died.

    Objects are never touched, nor what an upload under way writes, as far as the storage can tell; where it cannot, age
    is what protects it (--older-than). A driver that cannot find leftovers is passed over, or, if its store was named,
    said on standard error with exit status 1.
    """

    EXAMPLES = """
        imgstore purge --dry-run
        imgstore purge --older-than 1d slow
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stores", metavar="STORE", nargs="*", help="of which; default: all")
        parser.add_argument(
            "--older-than", metavar="TIME", type=typed(duration), default=HOUR,
            help="only what nobody touched for so long: 90s, 15m, 1h, 2d (default: 1h)",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="list only")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        rows = []
        with configured(parsed_args) as found:
            for store in found.chosen(parsed_args.stores):
                driver = store.driver
                if isinstance(driver, FindsLeftovers):
                    rows += self._purged(store, driver, parsed_args)
                elif parsed_args.stores:
                    LOG.error("Store '%s': its driver cannot find leftovers.", store.identifier)
                    self.status = FAILED
        return COLUMNS, rows

    def _purged(
        self, store: Store, driver: FindsLeftovers, parsed_args: argparse.Namespace
    ) -> list[tuple[object, ...]]:
        try:
            with store.blamed():
                leftovers = list(driver.leftovers(older_than=parsed_args.older_than))
        except errors.StoreError as error:
            self._failed(error)
            return []
        return [
            (
                store.identifier,
                leftover.name,
                SizeInColumn(leftover.size),
                Time(leftover.modified),
                leftover.reason,
                YesNo(not parsed_args.dry_run and self._removed(store, driver, leftover)),
            )
            for leftover in leftovers
        ]

    def _removed(self, store: Store, driver: FindsLeftovers, leftover: Leftover) -> bool:
        try:
            with store.blamed():
                driver.remove_leftover(leftover)
        except errors.StoreError as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: errors.StoreError) -> None:
        """The other stores and leftovers are purged all the same."""
        LOG.error("%s", line_of(error))
        self.status = self.status if self.status != GOOD else status_of(error)
