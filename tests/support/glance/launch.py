"""Run by the Python of Glance's own environment: serves Glance, configured in a directory, on a free port of 127.0.0.1.

`launch.py DIRECTORY uwsgi|gunicorn` prints the port. `launch.py DIRECTORY prepare` makes the database and a policy that
lets everybody do everything, and ends. What it starts ends with this process, and this process with its standard input.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = Path(sys.prefix) / "bin"
PATIENCE = 120.0
PR_SET_PDEATHSIG = 1
APPLICATION = "glance.wsgi.api:application"

# As in Glance's own httpd/glance-api-uwsgi.ini, and room for the chunks of 1 MiB that its client sends.
UWSGI = [
    "--module", APPLICATION, "--http-chunked-input", "--http-raw-body", "--http-auto-chunked", "--lazy-apps",
    "--add-header", "Connection: close", "--buffer-size", "65535", "--thunder-lock", "--enable-threads", "--master",
    "--die-on-term", "--processes", "1", "--threads", "8", "--chunked-input-limit", str(16 * 1024 * 1024),
    "--need-app", "--http-socket",
]  # fmt: skip
GUNICORN = ["--worker-class", "gthread", "--workers", "2", "--threads", "8", APPLICATION, "--bind"]


def prepare(directory: Path) -> None:
    """The database, and the policy."""
    from glance import policies  # type: ignore[import-not-found]  # it is in that environment only

    lines = [f'"{rule.name}": ""\n' for rule in policies.list_rules()]
    (directory / "policy.yaml").write_text("".join(lines))
    manage = [str(PROGRAMS / "glance-manage"), "--config-dir", str(directory), "db", "sync"]
    subprocess.run(manage, check=True, stdout=2)
    with sqlite3.connect(directory / "glance.sqlite") as database:
        database.execute("PRAGMA journal_mode=WAL")  # else parallel requests find it locked
    database.close()


def serve(directory: Path, server: str) -> None:
    """Serves until standard input ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(PROGRAMS / server), *(UWSGI if server == "uwsgi" else GUNICORN), f"127.0.0.1:{port}"]
    running = subprocess.Popen(
        command, env={**os.environ, "OS_GLANCE_CONFIG_DIR": str(directory)}, stdin=subprocess.DEVNULL, stdout=2,
        preexec_fn=_end_with_parent,
    )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while not _answers(port):
        if running.poll() is not None or time.monotonic() > end:
            sys.exit("Glance did not start")
        time.sleep(0.1)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    running.terminate()
    running.wait(PATIENCE)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(PATIENCE)
        try:
            probe.connect(("127.0.0.1", port))
            probe.sendall(b"GET /healthcheck HTTP/1.0\r\nHost: x\r\n\r\n")
            return probe.recv(12).endswith(b" 200")
        except ConnectionError:
            return False


def _end_with_parent() -> None:
    """The kernel ends the server when this process ends, however that is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    if sys.argv[2] == "prepare":
        prepare(Path(sys.argv[1]))
    else:
        serve(Path(sys.argv[1]), sys.argv[2])
