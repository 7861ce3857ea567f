"""`imgstore evacuate`."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import Configured, configured
from imgstore.cli.database import add_optional_data_dir, copying_catalog, needed, refuse_if_restored, service_database
from imgstore.cli.failures import FAILED, BadUsage
from imgstore.cli.formatting import AlignedSizeCell
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.progress import progress

if TYPE_CHECKING:
    from imgstore.service.cleanup.evacuation import Evacuation, Move
    from imgstore.sql import Database, ImageRecord

LOG = logging.getLogger(__name__)
COLUMNS = ("image", "size", "result", "detail")


class Evacuate(ListCommand):
    """Move all images of a store to another one.

    The images of all projects are copied one after the other, compared on the way, and then removed from FROM. If the
    command ends early, run it again: it does what is left. An image that cannot be moved stays where it is, and the
    exit status is 1. The quotas of projects do not matter here; the capacity of TO does.

    First set read_only for FROM in the service, so that no new image comes; the service may run meanwhile.
    """

    EXAMPLES = """
        imgstore evacuate slow fast --dry-run
        imgstore evacuate slow fast --config-file /etc/imgstore/imgstore.conf
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("source", metavar="FROM", help="the store that is to be empty")
        parser.add_argument("target", metavar="TO", help="the store that gets the images")
        parser.add_argument("--dry-run", action="store_true", help="move nothing; list what would be done")
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with configured(parsed_args, places=False) as found, service_database(parsed_args) as database:
            database = needed(database, "that knows the images")
            with _evacuation(found, database, parsed_args) as evacuation:
                moves = evacuation.planned() if parsed_args.dry_run else self._moved(evacuation, parsed_args)
                return COLUMNS, [self._row(move) for move in moves]

    def _moved(self, evacuation: Evacuation, parsed_args: argparse.Namespace) -> Iterator[Move]:
        total = evacuation.number()
        for number, image in enumerate(evacuation.images(), 1):
            LOG.info("Image %s, %d of %d", image.id, number, total)
            yield _move(evacuation, image, quiet=parsed_args.quiet)

    def _row(self, move: Move) -> tuple[object, ...]:
        from imgstore.service.cleanup.evacuation import STAYS

        if move.result == STAYS:
            LOG.warning("Image %s stays: %s", move.image_id, move.detail)
            self.status = FAILED
        return move.image_id, AlignedSizeCell(move.size), move.result, move.detail


def _move(evacuation: Evacuation, image: ImageRecord, *, quiet: bool) -> Move:
    """Raises Interrupted between two chunks of a copy, which is undone, or between two images."""
    with INTERRUPTS.deferred(), progress(image.id, image.size, quiet=quiet) as advance:

        def moved(done: int) -> None:
            advance(done)
            INTERRUPTS.check()

        INTERRUPTS.check()
        return evacuation.move(image, moved)


@contextlib.contextmanager
def _evacuation(found: Configured, database: Database, options: argparse.Namespace) -> Iterator[Evacuation]:
    from imgstore.service.cleanup.evacuation import Evacuation

    source, target = found.store(options.source.removesuffix(":")), found.store(options.target.removesuffix(":"))
    if source is target:
        raise BadUsage("name two stores: the one that is to be empty, and the one that gets the images.")
    with copying_catalog(database, found.stores, found.settings) as (catalog, copying):
        if not options.dry_run:
            refuse_if_restored(catalog, (source, target))
        yield Evacuation(catalog, found.stores, copying, source=source, target=target)
