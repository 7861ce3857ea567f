"""The service's database, for the commands that look at it.

The service's modules need the extra `service`, so they are imported only when such a command runs.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imgstore import distribution, errors
from imgstore.cli.config_files import configuration_files
from imgstore.cli.failures import FAILED, STORE, BadUsage, Failure
from imgstore.side_by_side import Begun
from imgstore.undo import describe

if TYPE_CHECKING:
    from oslo_config import cfg

    from imgstore.hosting.records import HostRecords
    from imgstore.sql import Address, Database, SqlCatalog
    from imgstore.store import Store, StoreSet
    from imgstore.transfers.copy import CopyService
    from imgstore.transfers.upload import UploadSettings

LOG = logging.getLogger(__name__)

T = TypeVar("T")
PLACE_SECONDS = 10.0
"""For stores whose places are told by what is in them."""
DATA_DIR = Path("var")
SERVICE_SECTIONS = ("DEFAULT", "service", "keystone_authtoken", "oslo_policy", "oslo_limit")
"""Sections that the reference service may have in the same file."""


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """The option that says where the database is, if the configuration does not."""
    parser.add_argument(
        "--data-dir", metavar="DIR", type=Path, default=DATA_DIR, help="the service's data directory (default: ./var)"
    )


def service_configuration(options: argparse.Namespace, *, create: bool) -> tuple[cfg.ConfigOpts, Address]:
    """The service's configuration, found as 'imgstore serve' finds it, and its database; without `create` neither is
    made where it is missing. Raises BadUsage, ConfigurationError."""
    with needing_service():
        from imgstore.service.options import load
        from imgstore.service.settings import database
        from imgstore.service.standalone import CONFIGURATION_FILE, standalone_configuration
    files = configuration_files(options.config_file)
    if not files and (create or (options.data_dir / CONFIGURATION_FILE).exists()):
        files = [str(standalone_configuration(options.data_dir))]
    if not files:
        raise BadUsage(f"there is no configuration, and none in {options.data_dir}: name one with --config-file.")
    conf = load(files)
    address = database(conf, options.data_dir)
    if not create:
        _refuse_missing(address)
    return conf, address


def _refuse_missing(address: Address) -> None:
    if address.file is not None and not address.file.exists():
        raise BadUsage(
            f"there is no database at {address.file}: mount its disk, or name its directory with --data-dir. "
            "The very first start of the service makes it: imgstore serve."
        )


def add_optional_data_dir(parser: argparse.ArgumentParser) -> None:
    """The same option for commands that also work without a database."""
    parser.add_argument(
        "--data-dir", metavar="DIR", type=Path,
        help="the service's data directory, if the configuration names no database",
    )  # fmt: skip


@contextlib.contextmanager
def service_database(options: argparse.Namespace) -> Iterator[Database | None]:
    """The service's database, closed at the end. None if neither configuration nor command line names one; one that is
    named and away, as on a disk that is not mounted, is no database that nobody asks. Raises BadUsage,
    ConfigurationError, Failure."""
    address = _named_database(options)
    if address is None:
        yield None
        return
    _refuse_missing(address)
    from imgstore.sql import PARTS, opened

    with database_failures(address), contextlib.closing(opened(address, PARTS)) as database:
        yield database


def needed(found: T | None, purpose: str) -> T:
    """The database or catalog `found`. `purpose` completes "there is no catalog". Raises BadUsage for None."""
    if found is None:
        raise BadUsage(f"there is no catalog {purpose}: name its directory with --data-dir.")
    return found


@contextlib.contextmanager
def service_catalog(options: argparse.Namespace) -> Iterator[SqlCatalog | None]:
    """The catalog in the service's database, with its quota; None, and raises, as `service_database`."""
    with service_database(options) as database:
        if database is None:
            yield None
            return
        from imgstore.sql import LedgerHooks, SqlCatalog, SqlLedger

        with contextlib.closing(SqlCatalog(database, quota_hooks=LedgerHooks(SqlLedger(database)))) as catalog:
            yield catalog


@contextlib.contextmanager
def service_records(options: argparse.Namespace) -> Iterator[tuple[SqlCatalog, HostRecords] | None]:
    """The catalog, and all that recovery asks it and the quota; None, and raises, as `service_database`."""
    with service_database(options) as database:
        if database is None:
            yield None
            return
        from imgstore.hosting.records import HostRecords
        from imgstore.sql import LedgerHooks, SqlCatalog, SqlLedger

        ledger = SqlLedger(database)
        with contextlib.closing(SqlCatalog(database, quota_hooks=LedgerHooks(ledger))) as catalog:
            yield catalog, HostRecords(catalog, ledger, restored=catalog.restored)


@contextlib.contextmanager
def copying_catalog(
    database: Database, stores: StoreSet, settings: UploadSettings
) -> Iterator[tuple[SqlCatalog, CopyService]]:
    """The catalog with its ledger, and what copies images between stores. The quotas of projects do not count, the
    capacities of stores do. Raises CatalogUnavailable, ConfigurationError."""
    from imgstore import config
    from imgstore.hosting import LeasedCopyCatalog
    from imgstore.limits import Allowance, FixedLimits
    from imgstore.sql import LedgerHooks, SqlCatalog, SqlLedger
    from imgstore.transfers.copy import CopyService
    from imgstore.transfers.download import DownloadService

    limits = FixedLimits(Allowance(), stores=config.capacities(stores))
    with (
        contextlib.closing(SqlLedger(database, limits)) as ledger,
        contextlib.closing(SqlCatalog(database, quota_hooks=LedgerHooks(ledger))) as catalog,
        contextlib.closing(LeasedCopyCatalog(catalog)) as leased,
    ):
        expect_places(catalog, stores)
        downloads = DownloadService(stores, source=catalog)
        yield catalog, CopyService(stores, catalog=leased, downloads=downloads, quota=ledger, settings=settings)


def expect_places(catalog: SqlCatalog, stores: Iterable[Store]) -> None:
    """Tells each store's driver its place. What is not there, the driver refuses when it is used. Asks only stores that
    are read-only and have no mark, and waits for none that hangs. Raises CatalogUnavailable, ConfigurationError."""
    from imgstore.transfers.places import expect, settle

    unknown = {}
    for store in stores:
        expect(store, catalog.places)
        if (store.read_only or store.driver.READ_ONLY) and store.driver.mark is None:
            unknown[store.identifier] = partial(settle, store, catalog.places)
    asked = Begun(unknown, seconds=PLACE_SECONDS)
    for identifier in unknown:
        with contextlib.suppress(errors.StoreError, TimeoutError):
            asked.result(identifier)


def refuse_if_restored(catalog: SqlCatalog, stores: Iterable[Store]) -> None:
    """Raises Failure if the database comes from a backup: then nothing is removed. Raises CatalogUnavailable."""
    reason = why_restored(catalog, stores)
    if reason is not None:
        raise Failure(
            f"the database was restored from a backup, so nothing is removed. {reason} Look at 'imgstore verify', "
            "adopt what is good, and then: imgstore db resume"
        )


def why_restored(catalog: SqlCatalog, stores: Iterable[Store]) -> str | None:
    """Why the database counts as restored from a backup. The service may not have started since, so the places of
    `stores` are asked; one that does not answer proves nothing. Raises CatalogUnavailable."""
    from imgstore.hosting.restored import compare

    for store in stores:
        with contextlib.suppress(errors.StoreError):
            compare(store, catalog.restored)
    return catalog.restored.reason()


def look_up_places(conf: cfg.ConfigOpts, options: argparse.Namespace, stores: StoreSet) -> None:
    """The same, if there is a catalog; without it the places are not compared. Raises BadUsage, ConfigurationError."""
    address = _catalog_address(conf, getattr(options, "data_dir", None))  # not every command has it
    if address is None or (address.file is not None and not address.file.exists()):
        return
    from imgstore.sql import CATALOG, SqlCatalog, opened

    try:
        with contextlib.closing(SqlCatalog(opened(address, [CATALOG]))) as catalog:
            expect_places(catalog, stores)
    except errors.CatalogUnavailable as error:
        LOG.warning("%s: %s So the places of the stores are not compared.", address, describe(error))


def _catalog_address(conf: cfg.ConfigOpts, data_dir: Path | None) -> Address | None:
    """Where the service's catalog is, in a configuration whose other options of the service nobody has looked at."""
    if not _is_set(conf, "service", "database") and data_dir is None:
        return None
    with needing_service():
        from imgstore.service.settings import database
    return database(conf, data_dir or DATA_DIR)


def _is_set(conf: cfg.ConfigOpts, section: str, option: str) -> bool:
    from oslo_config import cfg

    conf.register_opt(cfg.StrOpt(option), group=section)
    return bool(conf[section][option])


def _names_database(options: argparse.Namespace) -> bool:
    """Whether the configuration has a catalog, where the service that would say so is not installed."""
    from imgstore import config

    others = dict.fromkeys(SERVICE_SECTIONS, ())
    conf = config.load(configuration_files(options.config_file), extra=others)
    return _is_set(conf, "service", "database")


def tells_of_service(options: argparse.Namespace) -> bool:
    """Whether the configuration says something of a service, whose stores these are then."""
    from imgstore import config

    conf = config.load(configuration_files(options.config_file), extra=dict.fromkeys(SERVICE_SECTIONS, ()))
    return "service" in conf.list_all_sections()


def _named_database(options: argparse.Namespace) -> Address | None:
    try:
        with needing_service():
            from imgstore.service.options import SECTION, load
            from imgstore.service.settings import database
    except BadUsage:
        if options.data_dir is not None or _names_database(options):
            raise
        return None
    conf = load(configuration_files(options.config_file))
    if options.data_dir is None and not conf[SECTION].database:
        return None
    return database(conf, options.data_dir or DATA_DIR)


@contextlib.contextmanager
def needing_service() -> Iterator[None]:
    """Around imports of the service. Raises BadUsage."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("imgstore"):
            raise
        cure = distribution.install_extra("service")
        raise BadUsage(f"the service needs the module '{error.name}', which is missing. {cure}") from error


@contextlib.contextmanager
def database_failures(address: Address) -> Iterator[None]:
    """Around the use of a database: its address, without the password, is put before the failure. Raises Failure."""
    try:
        yield
    except errors.CatalogUnavailable as error:
        from imgstore.sql import WrongDatabase

        wrong = error.retry_after is None or isinstance(error, WrongDatabase)
        passing = address.file is None and not wrong
        raise Failure(f"{address}: {describe(error)}", status=STORE if passing else FAILED) from error
