"""`imgstore purge`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.cli.base import ListCommand, Table, add_stores
from imgstore.cli.configuration import Configured, configured
from imgstore.cli.database import add_optional_data_dir, expect_places, refuse_if_restored, service_records
from imgstore.cli.failures import FAILED, GOOD, line_of, status_of
from imgstore.cli.formatting import AlignedSizeCell, TimeCell, YesNo, duration
from imgstore.cli.glance import GlanceData, glance_data
from imgstore.cli.parser import typed
from imgstore.driver.capabilities import FindsLeftovers
from imgstore.store import Store
from imgstore.transfers.leftovers import RemovableLeftover, hidden_versions, leftovers

if TYPE_CHECKING:
    from imgstore.hosting.records import HostRecords

LOG = logging.getLogger(__name__)
HOUR = 3600.0
COLUMNS = ("store", "name", "size", "modified", "reason", "removed")

Row = tuple[object, ...]
Source = Callable[[], Iterable[RemovableLeftover]]


class Purge(ListCommand):
    """Remove what interrupted uploads left behind.

    Objects stay. An upload under way keeps its data if the storage can tell that it is under way; if not, its age must
    protect it (--older-than). What may be another store's is listed and stays. A store whose driver cannot find
    leftovers is skipped; if you named the store, the exit status is 1.

    --versions removes, too, what a bucket that keeps versions hides: versions of objects that were deleted or replaced.
    Nothing brings them back then.

    With the service's database ([service] database, or --data-dir) purge does more. It ends uploads whose process died,
    so that their images can be uploaded again. It removes data of deleted images that a store failed to remove, and
    objects that an upload wrote and then abandoned. It keeps the data of every upload under way, whatever its age. The
    service may run meanwhile.

    With Glance's configuration purge reads Glance's database, and changes nothing in it. It removes objects, too, that
    an upload left and that no location names, such as those that Glance refused after they were stored. It keeps all of
    an image while Glance has it in `saving` or `importing`, except for leftovers of more than a day (or --older-than).
    """

    EXAMPLES = """
        imgstore purge --dry-run
        imgstore purge --older-than 1d slow
        imgstore purge --config-file /etc/imgstore/imgstore.conf --data-dir /var/lib/imgstore --dry-run
        imgstore purge --config-file /etc/glance/glance-api.conf --dry-run
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stores(parser)
        parser.add_argument(
            "--older-than", metavar="TIME", type=typed(duration),
            help="spare what is younger: 90s, 15m, 1h, 2d (default: 1h), unless the service's database knows its end",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="remove nothing; list what would go, and why")
        parser.add_argument("--versions", action="store_true", help="remove hidden versions, too, which a bucket keeps")
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with (
            configured(parsed_args, places=False) as found,
            service_records(parsed_args) as known,
            glance_data(found, parsed_args, unless=known) as glance,
        ):
            stores = found.chosen(parsed_args.stores)
            if known is not None:
                catalog, records = known
                expect_places(catalog, found.stores)
                if not parsed_args.dry_run:
                    refuse_if_restored(catalog, stores)
            age = HOUR if parsed_args.older_than is None else parsed_args.older_than
            sources: Sequence[Source]
            if known is not None:
                sources = self._known(records, found, stores, age)
            elif glance is not None:
                sources = self._of_glance(glance, stores, parsed_args.older_than)
            else:
                sources = [partial(leftovers, store, older_than=age) for store in stores]
            if parsed_args.versions:
                sources = [*sources, *(partial(hidden_versions, store, older_than=age) for store in stores)]
            self._report_unable(stores, named=bool(parsed_args.stores))
            return COLUMNS, [row for source in sources for row in self._purged(source, parsed_args)]

    def _known(self, records: HostRecords, found: Configured, stores: list[Store], older_than: float) -> list[Source]:
        from imgstore.hosting.purge import Purge

        purging = Purge(records, found.stores, stores)
        for store in sorted(purging.elsewhere(found.stores)):
            LOG.warning("Data waits for removal in store '%s', which is not enabled.", store)
        sources: list[Source] = [purging.uploads, purging.removals]
        for each in stores:
            sources += [partial(purging.leftovers, each, older_than=older_than), partial(purging.objects, each)]
        return sources

    def _of_glance(self, glance: GlanceData, stores: list[Store], older_than: float | None) -> list[Source]:
        from imgstore.glance.purge import GlancePurge

        purging = GlancePurge(glance.catalog, older_than=older_than)
        return [partial(each, store) for store in stores for each in (purging.leftovers, purging.objects)]

    def _report_unable(self, stores: list[Store], *, named: bool) -> None:
        for store in stores:
            if named and not isinstance(store.driver, FindsLeftovers):
                LOG.error("Store '%s': its driver cannot find leftovers.", store.identifier)
                self.status = FAILED

    def _purged(self, source: Source, parsed_args: argparse.Namespace) -> list[Row]:
        try:
            found = list(source())
        except errors.StoreError as error:
            self._failed(error)
            return []
        return [
            (
                leftover.store,
                leftover.name,
                AlignedSizeCell(leftover.size),
                TimeCell(leftover.modified),
                leftover.reason,
                YesNo(leftover.certain and not parsed_args.dry_run and self._removed(leftover)),
            )
            for leftover in found
        ]

    def _removed(self, leftover: RemovableLeftover) -> bool:
        try:
            leftover.remove()
        except errors.StoreError as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: errors.StoreError) -> None:
        """Reports a failure; the other stores and leftovers are purged all the same."""
        LOG.error("%s", line_of(error))
        self.status = self.status if self.status != GOOD else status_of(error)
