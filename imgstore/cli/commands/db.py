"""`imgstore db`."""

from __future__ import annotations

import argparse
import contextlib

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.database import add_data_dir, database_failures, needing_service, service_configuration

COLUMNS = ("part", "revision", "needed")
UPGRADE, CURRENT = "upgrade", "current"


class Db(ListCommand):
    """Upgrade the service's database, or show its revision.

    'upgrade' creates missing tables and brings older ones up to date; to repeat it does no harm. First stop the
    services of older releases and back the database up. 'current' shows the revision of each part and the one that this
    release needs. [service] database says where the database is. The service upgrades an SQLite file when it starts.
    """

    EXAMPLES = """
        imgstore db upgrade --config-file /etc/imgstore/imgstore.conf
        imgstore db current
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", metavar="ACTION", choices=(UPGRADE, CURRENT), help=f"{UPGRADE} or {CURRENT}")
        add_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        _, address = service_configuration(parsed_args)
        with needing_service():
            from imgstore.sql import PARTS, Database, current, upgrade
        with database_failures(address), contextlib.closing(Database(address)) as database:
            if parsed_args.action == UPGRADE:
                upgrade(database)
            return COLUMNS, [(part.name, current(database, part) or "-", part.head) for part in PARTS]
