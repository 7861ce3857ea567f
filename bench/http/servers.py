"""The servers that are compared: each takes bytes by PUT and gives them back by GET, with its defaults, on one disk.

This service and Glance have an image API, and compute md5 and sha512. nginx writes a file and computes nothing.
Debian's docker-registry computes sha256. Both tell how fast bytes can go by HTTP, not who is better.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import uuid
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bench.processes import Processes
from tests.support.child import python_of
from tests.support.glance import GlanceServer, prepared
from tests.support.glance.server import SOMEBODY
from tests.support.running import Running

OURS, TWICE, GLANCE, NGINX, REGISTRY = "imgstore", "imgstore-x2", "glance", "nginx", "registry"
OCTETS = {"Content-Type": "application/octet-stream"}
SECONDS = 60.0
FOREIGN = {NGINX: "nginx", REGISTRY: "docker-registry"}
"""The programs of Debian, which are left out where they are missing."""


@dataclass(frozen=True)
class Target:
    """Where one image goes, and where it comes from."""

    put: str
    get: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Peer(Running):
    """One server, at `address` while it runs, in the directory `root`."""

    address: tuple[str, int]

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    @property
    @abstractmethod
    def processes(self) -> Processes:
        """Its processes."""

    @abstractmethod
    def target(self, body: Iterable[bytes]) -> Target:
        """A new image, to be put; `body` is its bytes."""

    def digests(self, target: Target) -> dict[str, str]:
        """What the server says that the digests are."""
        return {}


class Program(Peer):
    """A server of one or more processes that are started here."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.address = ("127.0.0.1", _free_port())
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def processes(self) -> Processes:
        return Processes(frozenset(child.pid for child in self._children))

    @abstractmethod
    def commands(self) -> list[list[str]]:
        """One for each process."""

    def start(self) -> None:
        """Returns when it answers."""
        for command in self.commands():
            with (self.root / "log").open("a") as log:
                child = subprocess.Popen(command, cwd=self.root, stdout=log, stderr=log, start_new_session=True)
            self._children.append(child)
        end = time.monotonic() + SECONDS
        while (self.root / "log").read_text().count(self.ready) < len(self._children) or not _answers(self.address):
            assert time.monotonic() < end, (self.root / "log").read_text()
            time.sleep(0.05)

    ready = ""

    def stop(self) -> None:
        for child in self._children:
            child.terminate()
            child.wait()
        self._children.clear()


class Images(Program):
    """This service, of `count` processes behind one port, on SQLite or on the database at `url`."""

    ready = "imgstore listens on"

    def __init__(self, root: Path, database: sa.URL | None = None, *, count: int = 1) -> None:
        super().__init__(root)
        self._count, self._database = count, database
        where = f"database = {_text(database)}\n" if database else ""
        stores = f"[imgstore]\nenabled_stores = file:filesystem\n[file]\ndatadir = {root}/images\n"
        service = f"[service]\nshare_port = true\nlog_level = WARNING\nport = {self.address[1]}\n"
        (root / "imgstore.conf").write_text(stores + service + where)
        (root / "imgstore.conf").chmod(0o600)

    def start(self) -> None:
        """Returns when it answers. A database on a server gets its tables first."""
        upgrade = [sys.executable, "-m", "imgstore.cli.main", "db", "upgrade", "--config-file", "imgstore.conf"]
        if self._database:
            subprocess.run(upgrade, cwd=self.root, check=True, capture_output=True)
        super().start()

    def commands(self) -> list[list[str]]:
        module = [sys.executable, "-m", "imgstore.service", "--config-file", "imgstore.conf", "--data-dir", "."]
        return [module] * self._count

    def target(self, body: Iterable[bytes]) -> Target:
        return _image(self.address, {})

    def digests(self, target: Target) -> dict[str, str]:
        return _shown(self.address, target)


class Glance(Peer):
    """An unmodified Glance with its file store, on SQLite or on the database at `url`."""

    def __init__(self, root: Path, database: sa.URL | None = None) -> None:
        super().__init__(root)
        (root / "images").mkdir()
        backends = {"file:file": {"filesystem_store_datadir": root / "images"}}
        driver = {"postgresql+psycopg": "postgresql+psycopg2"}
        url = database and database.set(drivername=driver.get(database.drivername, database.drivername))
        options = {"database": {"connection": _text(url)}} if url else None
        self._server = GlanceServer(root, prepared(root), backends, options=options)

    @property
    def processes(self) -> Processes:
        return Processes(frozenset([self._server.pid]))

    def start(self) -> None:
        manage = python_of("glance").parent / "glance-manage"
        subprocess.run([manage, "--config-dir", self.root, "db", "sync"], check=True, capture_output=True)
        self._server.start()
        self.address = self._server.client.address

    def stop(self) -> None:
        self._server.stop()

    def target(self, body: Iterable[bytes]) -> Target:
        return _image(self.address, SOMEBODY)

    def digests(self, target: Target) -> dict[str, str]:
        return _shown(self.address, target)


class Nginx(Program):
    """nginx and its PUT of WebDAV."""

    def commands(self) -> list[list[str]]:
        temporary = " ".join(f"{name}_temp_path t;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        server = (
            f"listen 127.0.0.1:{self.address[1]}; root {self.root}/files; sendfile on; client_max_body_size 0;\n"
            "location / { dav_methods PUT DELETE; create_full_put_path on; }"
        )
        (self.root / "nginx.conf").write_text(
            "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}\n"
            f"http {{ access_log off; {temporary} server {{ {server} }} }}\n"
        )
        return [["nginx", "-e", "stderr", "-p", ".", "-c", "nginx.conf"]]

    def target(self, body: Iterable[bytes]) -> Target:
        path = f"/{uuid.uuid4()}"
        return Target(path, path)


class Registry(Program):
    """Debian's docker-registry: the body is a blob, named by its sha256."""

    def commands(self) -> list[list[str]]:
        (self.root / "registry.yml").write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.root}/blobs}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.address[1]}', secret: bench}}\n"
        )
        return [["docker-registry", "serve", "registry.yml"]]

    def target(self, body: Iterable[bytes]) -> Target:
        whole = hashlib.sha256()
        for piece in body:
            whole.update(piece)
        answer = asked(self.address, "POST", "/v2/bench/blobs/uploads/")
        begun = urllib.parse.urlsplit(answer[1]["Location"])
        name = f"sha256:{whole.hexdigest()}"
        query = f"{begun.query}&digest={urllib.parse.quote(name)}"
        return Target(f"{begun.path}?{query}", f"/v2/bench/blobs/{name}")


def _text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def missing() -> list[str]:
    """The sides whose program is not installed."""
    return [side for side, program in FOREIGN.items() if shutil.which(program) is None]


def asked(
    address: tuple[str, int], method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[bytes, http.client.HTTPMessage]:
    """One small request; body and headers of its answer, which must be good."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 300, (method, path, answer.status, content)
        return content, answer.headers
    finally:
        connection.close()


def _image(address: tuple[str, int], headers: Mapping[str, str]) -> Target:
    wanted = json.dumps({"disk_format": "raw", "container_format": "bare"}).encode()
    made, _ = asked(address, "POST", "/v2/images", body=wanted, headers={**headers, "Content-Type": "application/json"})
    path = f"/v2/images/{json.loads(made)['id']}/file"
    return Target(path, path, {**headers, **OCTETS})


def _shown(address: tuple[str, int], target: Target) -> dict[str, str]:
    path = re.sub("/file$", "", target.get)
    image = json.loads(asked(address, "GET", path, headers=target.headers)[0])
    return {"md5": image["checksum"], "sha512": image["os_hash_value"]}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True
