"""Run by the Python of Swift's own environment: all of a Swift, configured in the directory given, in one process.

Proxy, object, container and account server each listen on a free port of 127.0.0.1, and the daemons that a test would
notice (usage of accounts, late updates of listings, expiry) sweep every second. The proxy's port is the only line
printed. It ends when its standard input does, so it cannot survive the tests, and removes the directory with all data.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

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
    for kind in SERVERS:
        _serve(os.path.join(root, f"{kind}.conf"), listeners[kind])
    for sweep in _sweeps(root):
        eventlet.spawn(_repeat, sweep)
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
    """One replica on one device."""
    from swift.common.ring import RingBuilder  # type: ignore[import-not-found]

    for kind in ("account", "container", "object"):
        device = {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "d1", "meta": ""}
        place = {"ip": "127.0.0.1", "port": ports[kind]}
        builder = RingBuilder(2, 1, 1)
        builder.add_dev({**device, **place, **{f"replication_{name}": value for name, value in place.items()}})
        builder.rebalance(seed=1)
        builder.get_ring().save(os.path.join(root, f"{kind}.ring.gz"))


def _serve(configuration: str, listener: socket.socket) -> None:
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
    eventlet.spawn(wsgi.server, listener, app, **options)


def _sweeps(root: str) -> list[Callable[[], object]]:
    from swift.common.utils import readconf  # type: ignore[import-not-found]
    from swift.container.updater import ContainerUpdater  # type: ignore[import-not-found]
    from swift.obj.expirer import ObjectExpirer  # type: ignore[import-not-found]
    from swift.obj.updater import ObjectUpdater  # type: ignore[import-not-found]

    plain = readconf(os.path.join(root, "object.conf"), "app:app")
    conf = {**plain, "log_level": "WARNING", "account_suppression_time": "1"}
    expirer = {**readconf(os.path.join(root, "expirer.conf"), "object-expirer"), "log_level": "WARNING"}
    late = ObjectUpdater(conf)

    def sweep_late_updates() -> None:
        late.begin = time.time()  # its run_once would fork
        late.object_sweep(os.path.join(root, "node", "d1"))

    return [ContainerUpdater(conf).run_once, sweep_late_updates, ObjectExpirer(expirer).run_once]


def _repeat(sweep: Callable[[], object]) -> None:
    import eventlet

    while True:
        eventlet.sleep(1)
        sweep()


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # for no_cache
    main(*sys.argv[1:])
