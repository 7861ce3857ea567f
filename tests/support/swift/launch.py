"""Run by the Python of Swift's own environment: all of a Swift, configured in the directory given, in one process.

Proxy, object, container and account server each listen on a free port of 127.0.0.1, and the daemons that a test would
notice work at short intervals: usage of accounts, late updates of listings, expiry. The proxy's port is the only line
printed. It ends when its standard input does, so it cannot survive the tests, and removes the directory with all data.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Changes = set[tuple[str, ...]]
"""Partition, account and container of what was changed."""

SERVERS = ("account", "container", "object", "proxy")


def main(root: str, certificate: str = "", key: str = "") -> None:
    """Serves until standard input ends."""
    _prepare(root)
    import eventlet  # type: ignore[import-not-found]  # it is in that environment only
    from eventlet import hubs

    listeners = {kind: eventlet.listen(("127.0.0.1", 0), backlog=1024) for kind in SERVERS}
    ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
    _write_rings(root, ports)
    if certificate:
        listeners["proxy"] = eventlet.wrap_ssl(
            listeners["proxy"], certfile=certificate, keyfile=key, server_side=True, do_handshake_on_connect=False
        )
    changes: Changes = set()
    for kind in SERVERS:
        _serve(os.path.join(root, f"{kind}.conf"), listeners[kind], changes if kind == "container" else None)
    for interval, work in _daemons(root, changes):
        eventlet.spawn(_repeat, interval, work)
    sys.stdout.write(f"{ports['proxy']}\n")
    sys.stdout.flush()
    hubs.trampoline(sys.stdin.fileno(), read=True)
    shutil.rmtree(root, ignore_errors=True)
    os._exit(0)


def _prepare(root: str) -> None:
    """Must come before anything else of Swift is imported, which reads /etc/swift/swift.conf whatever it is told."""
    from swift.common import utils  # type: ignore[import-not-found]  # it is in that environment only

    utils.SWIFT_CONF_FILE = os.path.join(root, "swift.conf")
    utils.validate_configuration()
    utils.monkey_patch()
    utils.logs.get_swift_logger.console_handler4logger = {}
    utils.logs.ThreadSafeSysLogHandler = lambda **_: logging.NullHandler()
    from swift.common.storage_policy import reload_storage_policies  # type: ignore[import-not-found]

    reload_storage_policies()


def _write_rings(root: str, ports: dict[str, int]) -> None:
    """One replica on one device, for each storage policy."""
    from swift.common.ring import RingBuilder  # type: ignore[import-not-found]
    from swift.common.storage_policy import POLICIES

    for kind in ("account", "container", *(policy.ring_name for policy in POLICIES)):
        device = {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "d1", "meta": ""}
        place = {"ip": "127.0.0.1", "port": ports[kind.partition("-")[0]]}
        builder = RingBuilder(2, 1, 1)
        builder.add_dev({**device, **place, **{f"replication_{name}": value for name, value in place.items()}})
        builder.rebalance(seed=1)
        builder.get_ring().save(os.path.join(root, f"{kind}.ring.gz"))


def _serve(configuration: str, listener: socket.socket, changes: Changes | None) -> None:
    """As `swift.common.wsgi.run_server` does, which can serve only one in a process."""
    import eventlet
    from eventlet import wsgi
    from swift.common.constraints import MAX_REQUEST_LINE  # type: ignore[import-not-found]
    from swift.common.wsgi import SwiftHttpProtocol, loadapp  # type: ignore[import-not-found]

    options: dict[str, Any] = {
        "protocol": SwiftHttpProtocol, "socket_timeout": 60.0, "capitalize_response_headers": False,
        "url_length_limit": MAX_REQUEST_LINE, "log": logging.getLogger("nothing is told to it"), "log_output": False,
    }  # fmt: skip
    app = loadapp(configuration, global_conf={"log_name": os.path.basename(configuration)})
    eventlet.spawn(wsgi.server, listener, app if changes is None else _noting(app, changes), **options)


def _noting(app: App, changes: Changes) -> App:
    """Tells what was changed: else all containers would have to be looked at, again and again."""

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = app(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            path = environ["PATH_INFO"].encode("latin-1").decode()
            changes.add(tuple(path.split("/")[2:5]))
        return body

    return run


def _daemons(root: str, changes: Changes) -> list[tuple[float, Callable[[], object]]]:
    """What is done at which intervals, in seconds."""
    import eventlet
    from swift.common.utils import readconf  # type: ignore[import-not-found]
    from swift.container.updater import ContainerUpdater  # type: ignore[import-not-found]
    from swift.obj.expirer import ObjectExpirer  # type: ignore[import-not-found]
    from swift.obj.updater import ObjectUpdater  # type: ignore[import-not-found]

    plain = readconf(os.path.join(root, "object.conf"), "app:app")
    conf = {**plain, "log_level": "WARNING", "account_suppression_time": "0", "per_container_ratelimit_buckets": "1"}
    expirer = {**readconf(os.path.join(root, "expirer.conf"), "object-expirer"), "log_level": "WARNING"}
    usage, late = ContainerUpdater(conf), ObjectUpdater(conf)

    def update_usage() -> None:
        for change in [changes.pop() for _ in range(len(changes))]:
            before, database = usage.failures, _database(root, *change)
            try:
                if os.path.exists(database):
                    usage.process_container(database)
            except (eventlet.Timeout, OSError, sqlite3.Error):
                usage.failures += 1
            if usage.failures > before:
                changes.add(change)

    def update_late_listings() -> None:
        late.begin = time.time()  # its run_once would fork
        late.object_sweep(os.path.join(root, "node", "d1"))

    return [(0.2, update_usage), (1, update_late_listings), (3, ObjectExpirer(expirer).run_once)]


def _database(root: str, partition: str, account: str, container: str) -> str:
    from swift.common.utils import hash_path, storage_directory

    name = hash_path(account, container)
    directory: str = storage_directory("containers", partition, name)
    return os.path.join(root, "node", "d1", directory, f"{name}.db")


def _repeat(interval: float, work: Callable[[], object]) -> None:
    import eventlet

    while True:
        eventlet.sleep(interval)
        work()


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # for cache
    main(*sys.argv[1:])
