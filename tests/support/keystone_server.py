"""Run by the Python of Keystone's own environment: serves Keystone, configured in the directory given, on a free port.

Not by a server's own command line: Keystone's oslo.config would read its arguments. The port is the first line printed.
It ends when its standard input does.
"""

from __future__ import annotations

import os
import sys
import threading


def main(directory: str) -> None:
    """Serves until standard input ends."""
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = directory
    sys.argv = ["keystone"]
    from cheroot.wsgi import Server
    from keystone.server.wsgi import (  # type: ignore[import-not-found]  # it is in that environment only
        initialize_public_application,
    )

    server = Server(("127.0.0.1", 0), initialize_public_application(), numthreads=4)
    server.prepare()
    sys.stdout.write(f"{server.bind_addr[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
