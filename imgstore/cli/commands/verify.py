"""`imgstore verify`."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cliff.formatters.base import ListFormatter
from cliff.formatters.table import TableFormatter

from imgstore import errors
from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.commands.put import FIELDS, fields
from imgstore.cli.configuration import Configured, configured
from imgstore.cli.database import add_optional_data_dir, expect_places, needed, service_database, why_restored
from imgstore.cli.expectations import add_expect, expectations
from imgstore.cli.failures import FAILED, GOOD, BadUsage, line_of, status_of
from imgstore.cli.glance import GlanceData, glance_data
from imgstore.cli.interrupts import Interrupted
from imgstore.cli.transfer import algorithms, digest_object
from imgstore.store import Store
from imgstore.transfers.leftovers import hidden_versions

if TYPE_CHECKING:
    from imgstore.hosting.inventory import Inventory
    from imgstore.service.cleanup.verify import Difference
    from imgstore.sql import Database

LOG = logging.getLogger(__name__)
RESULT = "result"
SECONDS = 10.0
"""Between two lines about how far a comparison has come."""
COLUMNS = ("problem", "store", "key", "image", "detail")


class Verify(ShowCommand):
    """Compare catalog, usage and stores, or check one object's digests.

    Without an object, the service's catalog, the usage of quotas and the stores are compared. Each difference is a row:
    an object without an image, an image without its object, a wrong size, a wrong count (which 'imgstore usage
    --recompute --fix' corrects) and, with --digests, a wrong digest. If there is a difference, the exit status is 1.
    Uploads under way and pending removals are no differences, so the service may run meanwhile. [service] database or
    --data-dir says where the database is. 'STORE:' compares the objects of one store only, in the order of their keys;
    a comparison that a signal ends says which --after goes on. A store that is named is also looked at where its place
    is not the one that the catalog remembers.

    With Glance's configuration the catalog is Glance's database, which is only read; Glance has no usage to compare.

    With an object, the exit status is 1 if a digest is not the expected one.
    """

    EXAMPLES = """
        imgstore verify --data-dir /var/lib/imgstore
        imgstore verify --digests slow: -f json
        imgstore verify --config-file /etc/glance/glance-api.conf
        imgstore verify fast:7f0f4b5e
        imgstore verify fast:7f0f4b5e --expect "$os_hash_value"
        imgstore verify fast:7f0f4b5e --expect md5:$checksum --expect sha256:$(cut -d' ' -f1 SHA256SUMS)
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "object",
            metavar="[STORE:]KEY",
            nargs="?",
            help="the object to read; without it, catalog, usage and stores are compared",
        )
        add_expect(
            parser,
            meaning="the expected digest; default algorithm: the configuration's hash_algorithm; may be repeated",
        )
        parser.add_argument(
            "--digests", action="store_true", help="without an object: read all objects and compare their digests"
        )
        parser.add_argument("--after", metavar="KEY", default="", help="with 'STORE:': only keys behind this one")
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        whole = parsed_args.object is None or parsed_args.object.endswith(":")
        if whole and parsed_args.expect:
            raise BadUsage("--expect is for one object: name the object.")
        if not whole and parsed_args.digests:
            raise BadUsage("--digests is for comparing everything: leave the object out.")
        if parsed_args.after and not (whole and parsed_args.object):
            raise BadUsage("--after is for one store: name it, as in 'fast:'.")
        return self._compared(parsed_args) if whole else self._of_one(parsed_args)

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]) -> int:
        if column_names is not COLUMNS:
            return super().produce_output(parsed_args, column_names, data)
        formatter: object = self.formatter
        assert isinstance(formatter, ListFormatter)  # noqa: S101 - all in this command's namespace are
        names, selector = self._generate_columns_and_selector(parsed_args, column_names)
        rows = [list(row if selector is None else self._compress_iterable(row, selector)) for row in data]
        if rows or not isinstance(formatter, TableFormatter):
            formatter.emit_list(names, rows, self.app.stdout, parsed_args)
        elif self.status == GOOD and not parsed_args.quiet:
            self.app.stdout.write(f"{self._compares} agree.\n")
        return GOOD

    def _of_one(self, parsed_args: argparse.Namespace) -> Table:
        with configured(parsed_args) as found:
            expected = expectations(parsed_args.expect, default=found.settings.hash_algo)
            digests = list(expected) or algorithms(found.settings)
            names = [*FIELDS, *digests, *([RESULT] if expected else [])]
            self._refuse_unknown_columns(parsed_args, names)
            target = found.object(parsed_args.object)
            read = digest_object(found, target, names=digests, label="verifying", quiet=parsed_args.quiet)
        wrong = [name for name, value in expected.items() if read.digests[name] != value]
        self.status = FAILED if wrong else self.status
        result = [f"differs: {', '.join(wrong)}" if wrong else "as expected"] if expected else []
        return names, [*fields(read), *result]

    def _compared(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with (
            configured(parsed_args, places=False) as found,
            service_database(parsed_args) as database,
            glance_data(found, parsed_args, unless=database) as glance,
        ):
            return COLUMNS, self._differences(found, parsed_args, database, glance)

    def _differences(
        self, found: Configured, parsed_args: argparse.Namespace, database: Database | None, glance: GlanceData | None
    ) -> list[tuple[str, ...]]:
        from imgstore.service.cleanup.verify import Verification, of_usage

        catalog: Inventory
        if glance is None:
            from imgstore.sql import SqlCatalog

            database = needed(database, "to compare with")
            catalog = known = SqlCatalog(database)
            expect_places(known, found.stores)
            why_restored(known, found.chosen([parsed_args.object] if parsed_args.object else []))
        else:
            catalog = glance.catalog
        passed = Passed()
        verification = Verification(catalog, found.stores, digests=parsed_args.digests, passed=passed)
        sources: list[Callable[[], Iterable[Difference]]] = []
        if not parsed_args.object:
            sources.append(verification.of_catalog)
            sources += [] if database is None else [partial(of_usage, database)]
        if parsed_args.object:
            self._compares = "Catalog and store"
        else:
            self._compares = "Catalog, usage and stores" if glance is None else "Catalog and stores"
        chosen = _chosen(found, parsed_args.object)
        wrong = [store for store in chosen if parsed_args.object and glance is None and self._is_elsewhere(store)]
        sources += [partial(verification.of_store, store, after=parsed_args.after) for store in chosen]
        rows: list[tuple[str, ...]] = []
        try:
            for source in sources:
                self._collect(source, rows)
        except Interrupted:
            passed.tell(rows)
            raise
        for store in chosen:
            self._tell_of_versions(store)
        for store in wrong if passed.anything and not rows else ():
            LOG.warning("It agrees with the catalog. If it is the store: imgstore stores adopt %s", store.identifier)
        return rows

    def _is_elsewhere(self, store: Store) -> bool:
        """Whether its place is not the one that is remembered. It is looked at all the same: somebody is to say whether
        it is the store."""
        try:
            with store.blamed():
                store.driver.prove_place()
        except errors.WrongPlace as error:
            LOG.warning("%s What is there is compared all the same.", line_of(error))
            self.status = status_of(error)
            store.driver.expect_any_place()
            return True
        except errors.StoreError:  # told when it is compared
            pass
        return False

    def _tell_of_versions(self, store: Store) -> None:
        """They cost room, and are no difference."""
        try:
            sizes = [each.size or 0 for each in hidden_versions(store, older_than=0)]
        except errors.StoreError as error:
            LOG.warning("%s", line_of(error))
            return
        if sizes:
            LOG.warning(
                "Store '%s' hides %s versions of %s bytes in all: 'imgstore purge --versions' removes them",
                store.identifier, len(sizes), sum(sizes),
            )  # fmt: skip

    def _collect(self, source: Callable[[], Iterable[Difference]], rows: list[tuple[str, ...]]) -> None:
        try:
            for each in source():
                rows.append((each.problem, each.store, each.key, each.image, each.detail))
                self.status = self.status or FAILED
        except errors.StoreError as error:  # the other stores are compared all the same
            LOG.error("%s", line_of(error))
            self.status = status_of(error)


class Passed:
    """How far a comparison has come."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self._last: tuple[Store, str] | None = None

    def __call__(self, store: Store, number: int, key: str) -> None:
        self._last = store, key
        if time.monotonic() - self._told > SECONDS:
            self._told = time.monotonic()
            LOG.info("Store '%s': %d keys are compared, up to %s", store.identifier, number, key)

    @property
    def anything(self) -> bool:
        """Whether there was a key to compare."""
        return self._last is not None

    def tell(self, rows: Iterable[Sequence[str]]) -> None:
        """What was found before the end, and where to go on."""
        for row in rows:
            LOG.warning("Found: %s", " ".join(filter(None, row)))
        if self._last is not None:
            store, key = self._last
            LOG.warning("To go on in this store: imgstore verify %s: --after %s", store.identifier, key)


def _chosen(found: Configured, text: str | None) -> list[Store]:
    return found.chosen([] if text is None else [text])
