"""An SFTP server and a WebDAV server on 127.0.0.1, each a process that serves a directory."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.child import Child

USER, PASSWORD = "imgstore", "hunter2-of-the-servers"
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Served:
    """Where the server has its directory, and what fsspec needs to get in."""

    url: str
    storage_options: str


@contextlib.contextmanager
def sftp(root: Path) -> Iterator[Served]:
    """asyncssh's server."""
    with _child("sftp", root) as child:
        options = {"username": USER, "password": PASSWORD, "allow_agent": False, "look_for_keys": False}
        yield Served(f"sftp://127.0.0.1:{child.port}{root}", json.dumps(options))


@contextlib.contextmanager
def webdav(root: Path) -> Iterator[Served]:
    """wsgidav on cheroot."""
    with _child("webdav", root) as child:
        # Without TLS here: else each client loads the certificates of all authorities.
        options = {"base_url": f"http://127.0.0.1:{child.port}", "auth": [USER, PASSWORD], "verify": False}
        yield Served("webdav:/", json.dumps(options))


def _child(kind: str, root: Path) -> Child:
    return Child(LAUNCH, kind, USER, PASSWORD, str(root), name=kind, root=root, python=Path(sys.executable))
