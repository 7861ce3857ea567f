"""Run by the Python of moto's own environment: serves moto on a free port of 127.0.0.1, within so many bytes of memory.

The port is the only line printed. It ends when its standard input does, and removes the directory of its files.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys


def main(memory: str, root: str) -> None:
    """Serves until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    from moto.server import ThreadedMotoServer  # type: ignore[import-not-found]  # it is in that environment only

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    shutil.rmtree(root, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
