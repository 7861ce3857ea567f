"""What the commands that look at the service's database have in common: its configuration, and where the database is.

The service's modules are imported when such a command runs: they need the extra `service`.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.cli.configuration import configuration_files
from imgstore.cli.failures import BadUsage, Failure
from imgstore.undo import describe

if TYPE_CHECKING:
    from oslo_config import cfg

    from imgstore.sql import Address

DATA_DIR = Path("var")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """The option that says where the database is if the configuration does not."""
    parser.add_argument(
        "--data-dir", metavar="DIR", type=Path, default=DATA_DIR, help="where the service has its data (default: ./var)"
    )


def service_configuration(options: argparse.Namespace) -> tuple[cfg.ConfigOpts, Address]:
    """What the service reads, found as 'imgstore serve' finds it, and its database. Raises BadUsage,
    ConfigurationError."""
    with needing_the_service():
        from imgstore.service.embedded import embedded_configuration
        from imgstore.service.options import database, load
    files = configuration_files(options.config_file) or [str(embedded_configuration(options.data_dir))]
    conf = load(files)
    return conf, database(conf, options.data_dir)


@contextlib.contextmanager
def needing_the_service() -> Iterator[None]:
    """Around imports of the service. Raises BadUsage."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("imgstore"):
            raise
        raise BadUsage(f"the service needs '{error.name}': pip install 'imgstore[service]'") from error


@contextlib.contextmanager
def of_database(address: Address) -> Iterator[None]:
    """Around the use of a database: a failure is told with where it is, its password left out. Raises Failure."""
    try:
        yield
    except errors.CatalogUnavailable as error:
        raise Failure(f"{address}: {describe(error)}") from error
