"""`python -m imgstore.service`: reads the configuration, starts, prints where it listens, serves until a signal.

A mistake stops the start with one line on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.config.entrypoints import keep_no_file
from imgstore.service.assembly import Service, service_of
from imgstore.service.middleware import REQUEST_ID
from imgstore.service.options import SECTION, ServiceSettings, load, service_settings
from imgstore.service.server.server import Server
from imgstore.service.server.shutdown import serve
from imgstore.service.standalone import FileLock, file_lock, standalone_configuration
from imgstore.service.warnings import warn
from imgstore.sql import PARTS, Address, Database, opened
from imgstore.undo import describe

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s"

BANNER = """\
imgstore listens on {url} - create an image, upload its data, download it:

  id=$(curl -sS -X POST {url}/v2/images -H 'Content-Type: application/json' \\
       -d '{{"name": "first", "disk_format": "raw", "container_format": "bare"}}' \\
       | sed 's/.*"id": *"\\([^"]*\\)".*/\\1/')
  curl -sS -T FILE {url}/v2/images/$id/file -H 'Content-Type: application/octet-stream'
  curl -sS -o COPY {url}/v2/images/$id/file

Stores: {stores} (choose one for an upload with -H 'X-Image-Meta-Store: NAME'). Stop with Ctrl-C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the service; returns the exit status."""
    options = _parse(arguments)
    _log_to_stderr()
    keep_no_file()
    try:
        run(options)
    except errors.ImgstoreError as error:
        sys.stderr.write(f"imgstore: {describe(error)}\n")
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Serves until SIGTERM, SIGINT or SIGHUP. Raises ConfigurationError, CatalogUnavailable before the start."""
    conf = load(options.config_file or [str(standalone_configuration(options.data_dir))])
    settings = service_settings(conf, data_dir=options.data_dir, listen=options.listen, port=options.port)
    with file_lock(settings.database) as lock, contextlib.ExitStack() as stack:
        database = _database(settings.database)
        stack.callback(database.close)
        service = service_of(conf, database)
        stack.callback(service.close)
        _end_dead_uploads(service, lock)
        service.start()
        warn(service.stores, service.catalog, auth=conf[SECTION].auth, listen=settings.listen)
        server = _bound(service.app, settings)
        stack.callback(server.stop)  # its threads would outlive whatever fails before it serves
        stores = ", ".join(store.identifier for store in service.stores)
        serve(server, announce=lambda: print(BANNER.format(url=server.url, stores=stores), end="", flush=True))  # noqa: T201 - this is the program


def _end_dead_uploads(service: Service, lock: FileLock) -> None:
    """Ends them at once, without waiting for their leases, where no other process uses the database."""
    if lock.alone:
        service.end_dead_uploads()
    lock.share()


def _database(address: Address) -> Database:
    try:
        return opened(address, PARTS)
    except errors.CatalogUnavailable as error:
        raise errors.ConfigurationError(
            f"{address.file or address} cannot be used: {describe(error)}".rstrip(".") + ".",
            section=SECTION,
            option="database",
            cure=""
            if address.file is None
            else "Name an SQLite file that this release of the service made, or one that does not exist yet.",
        ) from error


def _bound(app: WSGIApplication, settings: ServiceSettings) -> Server:
    server = Server(
        (settings.listen, settings.port),
        app,
        threads=settings.threads,
        read_timeout=settings.body_timeout,
        grace=settings.grace_period,
        backlog=settings.backlog,
        tls=settings.tls,
    )
    try:
        server.prepare()
    except (OSError, UnicodeError) as error:  # UnicodeError: of a name that no host can have
        raise errors.ConfigurationError(
            f"cannot listen on {settings.listen} port {settings.port} ({getattr(error, 'strerror', None) or error}).",
            section=SECTION,
            option="port",
            cure="Choose another port or address.",
        ) from error
    return server


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m imgstore.service", description="The reference image service.")
    parser.add_argument(
        "--config-file", action="append", metavar="FILE", help="configuration; may be repeated, later ones win"
    )
    parser.add_argument("--listen", metavar="HOST", help="address to listen on, instead of [service] listen")
    parser.add_argument("--port", type=_port, help="port to listen on, instead of [service] port; 0: a free one")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("var"),
        help="where the catalog is and, without --config-file, a configuration with two stores (default: ./var)",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use 0 to 65535")
    return int(text)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs each step of an upgrade


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = REQUEST_ID.get()
    return True


if __name__ == "__main__":
    sys.exit(main())
