"""`imgstore rm`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.cli.base import Command
from imgstore.cli.configuration import ObjectName, configured
from imgstore.cli.database import add_optional_data_dir, expect_places, refuse_if_restored, service_catalog
from imgstore.cli.failures import GOOD, Failure, line_of, status_of
from imgstore.cli.formatting import human

if TYPE_CHECKING:
    from imgstore.sql import SqlCatalog

LOG = logging.getLogger(__name__)


class Rm(Command):
    """Remove objects.

    The objects are removed at once, without a question. With the service's database ([service] database, or --data-dir)
    an object that an image or an upload needs is refused: delete the image instead. Where none is named no catalog is
    asked, and an image whose object is removed is lost. All objects are looked up before the first one is removed. If
    one removal fails, the others go on, and the exit status is that of the first failure.
    """

    EXAMPLES = """
        imgstore rm slow:7f0f4b5e slow:backup --dry-run
        imgstore rm slow:7f0f4b5e slow:backup
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("objects", metavar="[STORE:]KEY", nargs="+", help="the objects to remove")
        parser.add_argument("--dry-run", action="store_true", help="remove nothing; tell what would go")
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with configured(parsed_args, places=False) as found, service_catalog(parsed_args) as catalog:
            targets = [found.object(text) for text in parsed_args.objects]
            if catalog is not None:
                expect_places(catalog, found.stores)
                if not parsed_args.dry_run:
                    refuse_if_restored(catalog, {target.store.identifier: target.store for target in targets}.values())
                _refuse_needed(catalog, targets)
            for target in targets:
                status = self._told(target) if parsed_args.dry_run else _removed(target)
                self.status = self.status if self.status != GOOD else status

    def _told(self, target: ObjectName) -> int:
        try:
            with target.store.blamed():
                size = target.store.driver.stat(target.key).size
        except errors.StoreError as error:
            return _failed(target, error)
        self.app.stdout.write(f"would remove {target} ({human(size)})\n")
        return GOOD


def _refuse_needed(catalog: SqlCatalog, targets: Sequence[ObjectName]) -> None:
    """Raises Failure, before anything is removed."""
    from imgstore.sql import Standing, attempt_of

    why = {Standing.LIVE: "is the data of", Standing.UNDER_WAY: "belongs to an upload under way of"}
    for target in targets:
        standing = catalog.standings(target.store.identifier, [target.key])[target.key]
        if standing in why:
            image_id = attempt_of(target.key)[0]
            raise Failure(f"{target} {why[standing]} image {image_id}. Nothing was removed. Delete the image instead.")


def _removed(target: ObjectName) -> int:
    try:
        with target.store.blamed():
            target.store.driver.delete(target.key)
    except errors.StoreError as error:
        return _failed(target, error)
    return GOOD


def _failed(target: ObjectName, error: errors.StoreError) -> int:
    LOG.error("%s: %s", target.key, line_of(error))
    return status_of(error)
