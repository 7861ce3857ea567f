"""`imgstore status`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imgstore import config
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.database import add_data_dir, database_failures, needing_service, service_configuration
from imgstore.cli.failures import STORE, BadUsage
from imgstore.cli.formatting import AlignedSizeCell

if TYPE_CHECKING:
    from oslo_config import cfg

    from imgstore.sql import Address

LOG = logging.getLogger(__name__)

COLUMNS = ("what", "name", "state", "project", "stores", "seconds", "bytes", "size", "rate", "process")
SIZES = ("bytes", "size", "rate")


class Status(ListCommand):
    """Show what the service does: stores, uploads and copies under way.

    Also its database and threads, removals that wait, and leases that ran out. The service is asked where the
    configuration says that it listens, or at --url. It answers from what it remembers, so at once, whatever is busy.
    Where auth is keystone, OS_TOKEN has the token of an admin.

    If no service answers, the database is asked for what it knows: attempts of all processes, removals, the bytes of
    stores. Then the exit status is 5.
    """

    EXAMPLES = """
        imgstore status
        imgstore status -f json
        imgstore status --url https://images.example.org
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--url", metavar="URL", help="where the service is (default: where it listens)")
        add_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        conf, address = service_configuration(parsed_args, create=False)
        with needing_service():
            from imgstore.service.asking import NoAnswer, ask
        try:
            found = list(ask(conf, parsed_args.url, token=os.environ.get("OS_TOKEN")))
        except NoAnswer as error:
            LOG.warning("%s This is what the database knows.", error)
            self.status = STORE
            found = list(_from_database(conf, address))
        except ValueError as error:
            raise BadUsage(f"--url: {error}.") from error
        return COLUMNS, [_row(entry) for entry in found]


def _from_database(conf: cfg.ConfigOpts, address: Address) -> Iterator[Mapping[str, Any]]:
    from imgstore.service.status import database_entries, entry, store_entries
    from imgstore.sql import PARTS, opened, take_census

    with database_failures(address), contextlib.closing(opened(address, PARTS)) as database:
        census = take_census(database)
    yield entry("catalog", state="up")
    yield entry("ledger", state="up")
    with contextlib.closing(config.build_stores(conf)) as stores:
        yield from store_entries(census, [store.identifier for store in stores])
    yield from database_entries(census, seconds=0.0)


def _row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(AlignedSizeCell(entry.get(name)) if name in SIZES else entry.get(name) for name in COLUMNS)
