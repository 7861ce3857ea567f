"""`python -m imgstore.service`: reads the configuration, starts, prints where it listens, serves until a signal.

What stops the start is one line on standard error. The exit status is 2 where the configuration must be corrected, and
5 where it may work later, as when the database's server does not answer.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import platform
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imgstore import distribution, errors
from imgstore.config import driver_names
from imgstore.config.entrypoints import keep_no_file
from imgstore.service.assembly import Service, service_of
from imgstore.service.lanes import LANES
from imgstore.service.log import LogSettings, configure, level_of
from imgstore.service.middleware import REQUEST_ID
from imgstore.service.options import SECTION, load
from imgstore.service.reload import Reloader, hangups
from imgstore.service.server.ending import Ending
from imgstore.service.server.server import Server
from imgstore.service.server.shutdown import serve
from imgstore.service.settings import ServiceSettings, log_settings, service_settings
from imgstore.service.standalone import PATIENCE, FileLock, file_lock, standalone_configuration
from imgstore.service.warnings import warn
from imgstore.sql import PARTS, Address, Database, WrongDatabase, opened
from imgstore.store import StoreSet
from imgstore.undo import describe

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger("imgstore.service")  # not __main__, which would be nobody's
MISCONFIGURED, TRY_LATER = 2, 5
"""Exit statuses: the first needs somebody who corrects the configuration; the second may pass by itself."""

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
    _log(options, LogSettings())
    keep_no_file()
    try:
        run(options)
    except errors.ImgstoreError as error:
        if options.debug:
            traceback.print_exc()
        sys.stderr.write(f"imgstore: {' '.join(describe(error).split())}\n")
        return MISCONFIGURED if isinstance(error, errors.ConfigurationError) else TRY_LATER
    return 0


def run(options: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT; SIGHUP reads the configuration again. Raises ConfigurationError,
    CatalogUnavailable before the start."""
    files = options.config_file or [str(standalone_configuration(options.data_dir))]
    conf = load(files)
    _log(options, log_settings(conf))
    settings = service_settings(conf, data_dir=options.data_dir, listen=options.listen, port=options.port)
    with file_lock(settings.database) as lock, hangups() as asked, contextlib.ExitStack() as stack:
        database = _database(settings.database)
        stack.callback(database.close)
        service = service_of(conf, database)
        ending = Ending(settings.grace_period)
        stack.callback(lambda: service.close(within=ending.left(ending.closed)))
        _end_dead_uploads(service, lock)
        service.start()
        warn(service.stores, service.catalog, auth=conf[SECTION].auth, listen=settings.listen)
        server = _bound(service.app, settings)
        server.ending = ending
        service.probes.threads, service.process.lanes = server.threads, server.lanes
        stack.callback(server.stop)  # its threads would outlive whatever fails before it serves
        _announce(server, settings.database, files, names=driver_names(conf))
        reloader = Reloader(
            service, conf, load=lambda: load(files), log=partial(_log, options), renew_tls=server.renew_tls
        )
        threading.Thread(target=reloader.run, args=(asked,), name="imgstore-reload", daemon=True).start()
        serve(server, announce=lambda: _print_banner(server, service.stores))
    LOG.info("The service has ended: process %s", os.getpid())


def _announce(server: Server, database: Address, files: Sequence[str], *, names: Mapping[str, str]) -> None:
    LOG.info(
        "imgstore %s starts: process %s, Python %s, stores %s; database %s; configuration %s; listens on %s",
        distribution.version(), os.getpid(), platform.python_version(),
        ", ".join(f"{store} ({driver})" for store, driver in names.items()),
        database, ", ".join(files), server.url,
    )  # fmt: skip


def _print_banner(server: Server, stores: StoreSet) -> None:
    names = ", ".join(store.identifier for store in stores)
    print(BANNER.format(url=server.url, stores=names), end="", flush=True)  # noqa: T201 - this is the program


def _end_dead_uploads(service: Service, lock: FileLock) -> None:
    """Ends them at once, without waiting for their leases, where no other process uses the database."""
    if lock.alone:
        service.end_dead_uploads()
    lock.share(PATIENCE + service.health.timeout)  # for which another process that starts waits for its stores


def _database(address: Address) -> Database:
    try:
        return opened(address, PARTS)
    except errors.CatalogUnavailable as error:
        if address.file is None and error.retry_after is not None and not isinstance(error, WrongDatabase):
            raise errors.CatalogUnavailable(f"[{SECTION}] database: {address}: {describe(error)}") from error
        raise errors.ConfigurationError(
            f"{address.file or address} cannot be used: {describe(error)}".rstrip(".") + ".",
            section=SECTION,
            option="database",
            cure=_cure(address, error),
        ) from error


def _cure(address: Address, error: errors.CatalogUnavailable) -> str:
    if address.file is not None:
        return "Name an SQLite file that this release of the service made, or one that does not exist yet."
    return "Correct user, password or name in it, or create them." if isinstance(error, WrongDatabase) else ""


def _bound(app: WSGIApplication, settings: ServiceSettings) -> Server:
    server = Server(
        (settings.listen, settings.port),
        app,
        threads=settings.threads,
        read_timeout=settings.body_timeout,
        grace=settings.grace_period,
        share_port=settings.share_port,
        backlog=settings.backlog,
        tls=settings.tls,
        lanes=LANES,
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
    parser.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors only")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more; twice: other packages' too")
    parser.add_argument("--debug", action="store_true", help="show a traceback when the start fails")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use 0 to 65535")
    return int(text)


def _log(options: argparse.Namespace, settings: LogSettings) -> None:
    configure(level_of(settings, verbose=options.verbose, quiet=options.quiet), request_id=REQUEST_ID.get)


if __name__ == "__main__":
    sys.exit(main())
