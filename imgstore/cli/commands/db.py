"""`imgstore db`."""

from __future__ import annotations

import argparse
import contextlib

from imgstore.cli.base import ListCommand, Table
from imgstore.cli.database import add_data_dir, needing_the_service, of_database, service_configuration

COLUMNS = ("part", "revision", "needed")
UPGRADE, CURRENT = "upgrade", "current"


class Db(ListCommand):
    """Upgrade the tables of the service's database, or show their revision.

    'upgrade' makes the tables where there are none, and brings older ones up to date; twice does no harm. Stop the
    services of older releases first, and back the database up. 'current' shows the revision of each part and the one
    that this release needs. The database is what [service] database says; an SQLite file is also upgraded by the
    service itself at its start.
    """

    EXAMPLES = """
        imgstore db upgrade --config-file /etc/imgstore/imgstore.conf
        imgstore db current
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("action", metavar="ACTION", choices=(UPGRADE, CURRENT), help=f"{UPGRADE} or {CURRENT}")
        add_data_dir(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        _, address = service_configuration(parsed_args)
        with needing_the_service():
            from imgstore.sql import PARTS, Database, current, upgrade
        with of_database(address), contextlib.closing(Database(address)) as database:
            if parsed_args.action == UPGRADE:
                upgrade(database)
            return COLUMNS, [(part.name, current(database, part) or "-", part.head) for part in PARTS]
