"""Run as a process: serves a directory by SFTP or WebDAV on a free port of 127.0.0.1, until standard input ends.

The port is the only line printed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

import asyncssh
from cheroot import wsgi
from wsgidav.fs_dav_provider import FileResource, FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

USER, PASSWORD = sys.argv[2:4] if len(sys.argv) > 3 else ("", "")


def say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=lambda: os._exit(bool(sys.stdin.read()))).start()


class Doorman(asyncssh.SSHServer):
    """Lets one user in."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


async def sftp() -> None:
    """asyncssh's server, of all that this user sees."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Doorman, server_host_keys=[key], sftp_factory=asyncssh.SFTPServer
    )
    say(listener.get_port())
    await listener.wait_closed()


class File(FileResource):  # type: ignore[misc] # wsgidav has no types
    """With an ETag as Apache and Nextcloud make it: wsgidav's own counts whole seconds."""

    def get_etag(self) -> str:
        stat = Path(self._file_path).stat()
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"


class Provider(FilesystemProvider):  # type: ignore[misc] # as above
    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> Any:
        found = super().get_resource_inst(path, environ)
        if isinstance(found, FileResource):
            found.__class__ = File
        return found


def webdav(root: str) -> None:
    """wsgidav on cheroot."""
    app = WsgiDAVApp({
        "provider_mapping": {"/": Provider(root, readonly=False)},
        "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "logging": {"enable": False},
        "property_manager": None,
        "verbose": 0,
    })  # fmt: skip
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=10)
    server.prepare()
    say(server.bind_addr[1])
    server.serve()


if __name__ == "__main__":
    asyncio.run(sftp()) if sys.argv[1] == "sftp" else webdav(sys.argv[4])
