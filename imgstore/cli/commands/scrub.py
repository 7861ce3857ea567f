"""`imgstore scrub`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgstore.cli.base import ListCommand, Table, add_stores
from imgstore.cli.configuration import Configured, configured
from imgstore.cli.database import add_optional_data_dir, copying_catalog, needed, refuse_if_restored, service_database
from imgstore.cli.failures import FAILED
from imgstore.cli.formatting import duration
from imgstore.cli.glance import GlanceData, glance_data
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.parser import size, typed
from imgstore.store import Store

if TYPE_CHECKING:
    from imgstore.service.cleanup.scrub import Finding
    from imgstore.service.cleanup.scrub import Scrub as Scrubbing
    from imgstore.sql import Database

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "key", "image", "result", "detail")
NAP = 0.2


class TimeIsUp(Exception):
    """--for has passed."""


class Rate:
    """Waits so that no more bytes a second are read; ends the reading when its time is up, or at a signal."""

    def __init__(self, rate: int | None, seconds: float | None) -> None:
        self._rate = rate
        self._began = time.monotonic()
        self._end = None if seconds is None else self._began + seconds
        self._bytes = 0

    def __call__(self, count: int) -> None:
        self._bytes += count
        due = self._began + (self._bytes / self._rate if self._rate else 0.0)
        while True:
            INTERRUPTS.check()
            now = time.monotonic()
            if self._end is not None and now > self._end:
                raise TimeIsUp
            if now >= due:
                return
            time.sleep(min(NAP, due - now))


class Scrub(ListCommand):
    """Read the data of images, compare it, and heal what is wrong.

    Begins with what was longest not read, at the place where the last scrub ended, and goes to the end of the pass.
    A copy that is missing or wrong is made anew from another copy that was read and is right; else it is told, and the
    exit status is 1. It needs the service's database; the service may run meanwhile. The metric
    imgstore_oldest_verification_seconds tells when the last complete pass of each store began.

    With Glance's configuration it reads the data of Glance's images. It then heals nothing, and notes in the stores'
    places_dir how far it came.
    """

    EXAMPLES = """
        imgstore scrub --rate 50MiB --for 4h --data-dir /var/lib/imgstore
        imgstore scrub slow
        imgstore scrub --config-file /etc/glance/glance-api.conf --rate 50MiB --for 4h
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stores(parser)
        parser.add_argument("--rate", metavar="N", type=typed(size), help="bytes to read a second, at most: 50MiB")
        parser.add_argument(
            "--for", metavar="TIME", dest="seconds", type=typed(duration), help="end after 90s, 15m, 4h"
        )
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        read = Rate(parsed_args.rate, parsed_args.seconds)
        with (
            configured(parsed_args, places=False) as found,
            service_database(parsed_args) as database,
            glance_data(found, parsed_args, unless=database) as glance,
            contextlib.ExitStack() as stack,
        ):
            stores = found.chosen(parsed_args.stores)
            if glance is None:
                database = needed(database, "that knows the images")
                scrub = self._of_service(database, found, read, stack, chosen=stores)
            else:
                scrub = self._of_glance(glance, read)
            stack.enter_context(INTERRUPTS.deferred())
            return COLUMNS, list(self._rows(scrub, stores))

    def _of_service(
        self, database: Database, found: Configured, read: Rate, stack: contextlib.ExitStack, *, chosen: list[Store]
    ) -> Scrubbing:
        catalog, copying = stack.enter_context(copying_catalog(database, found.stores, found.settings))
        refuse_if_restored(catalog, chosen)
        from imgstore.service.cleanup.healing import Healing
        from imgstore.service.cleanup.scrub import Scrub as Scrubbing

        healing = Healing(catalog, found.stores, copying, read=read)
        return Scrubbing(catalog, catalog.scrubs, read=read, heal=healing.heal)

    def _of_glance(self, glance: GlanceData, read: Rate) -> Scrubbing:
        """Nothing is healed: what Glance knows of a copy is not ours to change."""
        from imgstore.service.cleanup.scrub import Scrub as Scrubbing

        return Scrubbing(glance.catalog, glance.scrubs, read=read)

    def _rows(self, scrub: Scrubbing, stores: list[Store]) -> Iterator[tuple[str, ...]]:
        try:
            for store in stores:
                for finding in scrub.rest(store):
                    yield self._row(finding)
        except TimeIsUp:
            LOG.info("The time is up; the next scrub goes on here.")

    def _row(self, finding: Finding) -> tuple[str, ...]:
        from imgstore.service.cleanup.scrub import HEALED

        LOG.warning("Image %s in store %s: %s: %s", finding.image_id, finding.store, finding.result, finding.detail)
        self.status = self.status if finding.result == HEALED else FAILED
        return finding.store, finding.key, finding.image_id, finding.result, finding.detail
