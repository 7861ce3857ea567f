"""`imgstore db`."""

from __future__ import annotations

import argparse
import contextlib

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.database import (
    add_data_dir,
    database_failures,
    expect_places,
    needing_service,
    service_catalog,
    service_configuration,
)  # fmt: skip
from imgstore.cli.failures import BadUsage

COLUMNS = ("part", "revision", "needed")
ACTIONS = UPGRADE, CURRENT, RESTORED, RESUME = "upgrade", "current", "restored", "resume"
STATES = ("removals",)


class Db(ListCommand):
    """Upgrade the service's database, show its revision, or say that it was restored.

    'upgrade' creates missing tables and brings older ones up to date; to repeat it does no harm. First stop the
    services of older releases and back the database up. 'current' shows the revision of each part and the one that this
    release needs. [service] database says where the database is. The service upgrades an SQLite file when it starts.

    'restored', after a backup was restored and before the service starts: nothing is removed from the stores, until you
    have seen 'imgstore verify' and say 'resume'. The service says 'restored' by itself if it can tell.
    """

    EXAMPLES = """
        imgstore db upgrade --config-file /etc/imgstore/imgstore.conf
        imgstore db current
        imgstore db restored && imgstore verify
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", metavar="ACTION", choices=ACTIONS, help=", ".join(ACTIONS))
        add_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        if parsed_args.action in (RESTORED, RESUME):
            return self._restored(parsed_args)
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        _, address = service_configuration(parsed_args, create=parsed_args.action == UPGRADE)
        with needing_service():
            from imgstore.sql import PARTS, Database, current, upgrade
        with database_failures(address):
            with contextlib.closing(Database(address)) as database:  # one that hangs is found out
                revisions = [current(database, part) for part in PARTS]
            if parsed_args.action == UPGRADE:
                with contextlib.closing(Database(address, bounded=False)) as database:
                    upgrade(database)
                    revisions = [current(database, part) for part in PARTS]
        return COLUMNS, [(part.name, found or "-", part.head) for part, found in zip(PARTS, revisions, strict=True)]

    def _restored(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, STATES)
        with configured(parsed_args, places=False) as found, service_catalog(parsed_args) as catalog:
            if catalog is None:
                raise BadUsage("there is no database: name its directory with --data-dir.")
            if parsed_args.action == RESTORED:
                catalog.restored.declare("An operator said so.")
                return STATES, [("wait for 'imgstore db resume'",)]
            expect_places(catalog, found.stores)
            from imgstore.hosting import epochs_of

            resumed = catalog.restored.resume(epochs_of(found.stores))
            return STATES, [("go on" if resumed else "were never stopped",)]
