"""`imgstore usage`."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from imgstore import config
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.database import add_data_dir, database_failures, needing_service, service_configuration
from imgstore.cli.failures import FAILED, BadUsage
from imgstore.cli.formatting import AlignedSizeCell

if TYPE_CHECKING:
    from oslo_config import cfg

    from imgstore.limits import Limits
    from imgstore.sql import AuditedAccount, Database, LedgerAccount

COLUMNS = ("project", "store", "size", "held", "limit", "images", "uploads")
COMPARED = ("project", "store", "size", "true_size", "held", "true_held", "images", "true_images")


class Usage(ListCommand):
    """Show how much of their quotas projects and stores use.

    A row without a store is for a project in all stores; a row without a project is for a store. 'size' counts the
    bytes of images, 'held' the bytes that uploads under way have reserved. Both count against 'limit'.

    --recompute adds everything up from the catalog and shows the rows that differ. If there are any, the exit status is
    1, unless --fix corrects them. Services may run meanwhile.
    """

    EXAMPLES = """
        imgstore usage
        imgstore usage --project 5d2c6f6e37b34e1c8d076a2f0c9f1b11 -f json
        imgstore usage --recompute --fix
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--project", metavar="ID", help="only this project")
        parser.add_argument("--recompute", action="store_true", help="compare with the sums from the catalog")
        parser.add_argument("--fix", action="store_true", help="with --recompute: correct what differs")
        add_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        if parsed_args.fix and not parsed_args.recompute:
            raise BadUsage("--fix needs --recompute.")
        self._refuse_unknown_columns(parsed_args, COMPARED if parsed_args.recompute else COLUMNS)
        conf, address = service_configuration(parsed_args, create=False)
        with needing_service():
            from imgstore.sql import PARTS, opened
        with database_failures(address), contextlib.closing(opened(address, PARTS)) as database:
            if parsed_args.recompute:
                return COMPARED, self._compared(database, parsed_args)
            return COLUMNS, _rows(conf, database, parsed_args.project)

    def _compared(self, database: Database, parsed_args: argparse.Namespace) -> list[tuple[object, ...]]:
        from imgstore.sql import compare, put_right

        audit = compare(database)
        shown = [finding for finding in audit.wrong if _asked_for(finding.account, parsed_args.project)]
        if parsed_args.fix:
            put_right(database, audit)
            self.status = FAILED if compare(database).wrong else self.status
        elif shown or audit.images:
            self.status = FAILED
        return [_comparison(finding) for finding in shown]


def _rows(conf: cfg.ConfigOpts, database: Database, project: str | None) -> list[tuple[object, ...]]:
    from imgstore.service.assembly import limits_of
    from imgstore.sql import SqlLedger

    with contextlib.closing(config.build_stores(conf)) as stores:
        limits = limits_of(conf, stores)
        found = SqlLedger(database).accounts()
        return [
            (
                account.owner,
                account.store,
                AlignedSizeCell(has.used),
                AlignedSizeCell(has.held),
                AlignedSizeCell(_limit(limits, account)),
                has.images,
                has.uploads,
            )
            for account, has in sorted(found.items(), key=lambda item: (item[0].owner, item[0].store))
            if _asked_for(account, project)
        ]


def _limit(limits: Limits, account: LedgerAccount) -> int | None:
    if not account.owner:
        return limits.store(account.store).size
    if account.store:
        return limits.project_in_store(account.owner, account.store).size
    return limits.project(account.owner).size


def _comparison(finding: AuditedAccount) -> tuple[object, ...]:
    counted, true = finding.counted, finding.true
    sizes = (counted.used, true.used, counted.held, true.held)
    return (*(finding.account.owner, finding.account.store), *map(AlignedSizeCell, sizes), counted.images, true.images)


def _asked_for(account: LedgerAccount, project: str | None) -> bool:
    return project is None or account.owner == project
