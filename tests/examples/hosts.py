"""The example hosts as an operator runs them: on real servers of two processes, with a database and a store."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from imgstore.driver.place import NOTES
from imgstore.sql import SqlLedger
from tests.support.client import OCTETS, Answer, Client, OpenUpload
from tests.support.running import Running
from tests.support.waiting import PATIENCE, until

Body: TypeAlias = "bytes | Iterator[bytes] | None"

EXAMPLES = Path(__file__).parents[2] / "examples"
LEASE = 2
"""Seconds; that of a dead process is waited for."""
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--no-control-socket", "--log-level", "info"]


@dataclass(frozen=True)
class Server:
    """A host on a server. `prepare` makes its tables; `serve` is the server's command. Both are modules of Python."""

    host: str
    prepare: str
    table: str
    serve: tuple[str, ...]

    @staticmethod
    def django(*options: str) -> Server:
        """Django on gunicorn."""
        return Server("django", "django_host.wsgi", "django_host_image", (*GUNICORN, *options, "django_host.wsgi"))

    @staticmethod
    def paste(*options: str) -> Server:
        """PasteDeploy on gunicorn."""
        return Server("paste", "paste_host.app", "images", (*GUNICORN, *options, "--paste", "paste_host/paste.ini"))


SYNC, THREADS, GEVENT = ("--worker-class", "sync"), ("--threads", "8"), ("--worker-class", "gevent")
FASTAPI = Server(
    "fastapi", "fastapi_host.main", "images", ("uvicorn", "--port", "0", "--workers", "2", "fastapi_host.main:app")
)


class Host(Running):
    """A host under way. Requests have the `token` of one of two users that the hosts know. `options` are imgstore's
    in the section of that name, or in another one."""

    def __init__(self, server: Server, root: Path, **options: int | str) -> None:
        self.server = server
        self.token = "swordfish"
        self._images = root / "images"
        self._database = root / "images.db"
        self._log = root / "log"
        paths = os.pathsep.join([str(EXAMPLES), str(EXAMPLES.parent)])
        own = {"IMAGES_DIR": str(root), "IMAGES_LEASE": str(LEASE), "PYTHONPATH": paths}
        self._environment = (
            os.environ
            | own
            | {f"OS_{name if '__' in name else f'IMGSTORE__{name}'}": str(value) for name, value in options.items()}
        )
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = self._run(self.server.prepare)
        assert self._process.wait(PATIENCE) == 0, self._log.read_text()
        self._process = self._run(*self.server.serve)
        self.client = Client(until(self._url))
        until(lambda: len(self.workers()) == 2 and self._listens())

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:  # else the number may be another group's
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)

    def terminate(self) -> None:
        """Asks it to end."""
        assert self._process is not None
        self._process.terminate()

    def wait(self) -> None:
        """Returns when it has ended."""
        assert self._process is not None
        self._process.wait(PATIENCE)

    def workers(self) -> list[int]:
        """The processes that serve: those that the server's log tells of and that are its children. A number alone may
        be that of another process by now."""
        told = re.findall(r"(?:Booting worker with pid: |Started server process \[)(\d+)", self._log.read_text())
        assert self._process is not None
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [int(pid) for pid in children if pid in told and _lives(pid)]

    def request(self, method: str, path: str, *, body: Body = None, **headers: str) -> Answer:
        """A request of the user."""
        sent = {"X-Auth-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.request(method, path, body=body, headers=sent)

    def create(self) -> str:
        """The identifier of a new image."""
        answer = self.request("POST", "/v2/images")
        assert answer.status == 201, answer
        image_id: str = answer.json()["id"]
        return image_id

    def upload(self, image_id: str, body: Body) -> Answer:
        """A PUT: bytes with their length, an iterator in chunks."""
        return self.request("PUT", file_of(image_id), body=body, Content_Type=OCTETS["Content-Type"])

    def begin(self, image_id: str, *, length: int | None) -> OpenUpload:
        """An upload whose headers were taken; without a length it is chunked."""
        return OpenUpload(self.connect(image_id, length=length), chunked=length is None)

    def connect(self, image_id: str, *, length: int | None) -> socket.socket:
        """A connection on which only the headers of an upload were sent."""
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        headers = {"X-Auth-Token": self.token, **OCTETS, **framing, "Expect": "100-continue"}
        return self.client.connect("PUT", file_of(image_id), headers)

    def statuses(self) -> dict[str, str]:
        """The status of each image that is not deleted."""
        rows: Any = self._rows("id, status", "status <> 'deleted'")
        return dict(rows)

    def record(self, image_id: str) -> str:
        """What the library has written of an image, its lease among it."""
        (record,) = next(self._rows("record", f"id = '{image_id}'"))
        return str(record)

    def usage(self) -> tuple[int, int]:
        """The bytes that the ledger has in use, and those that it holds."""
        with contextlib.closing(SqlLedger(f"sqlite:///{self._database}")) as ledger:
            account = ledger.account("bob")
            return account.used, account.held

    def stored(self) -> dict[str, int]:
        """Every object in the store, with its size; leftovers have other names than objects."""
        found: dict[str, int] = {}
        for name in set(os.listdir(self._images)) - set(NOTES):
            with contextlib.suppress(FileNotFoundError):  # it is being removed
                found[name] = (self._images / name).stat().st_size
        return found

    def _rows(self, columns: str, where: str) -> Iterator[tuple[str, ...]]:
        with contextlib.closing(sqlite3.connect(self._database, timeout=PATIENCE)) as database:
            yield from database.execute(f"SELECT {columns} FROM {self.server.table} WHERE {where}").fetchall()

    def _run(self, *module: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *module]
        with self._log.open("w") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, text=True, cwd=EXAMPLES, env=self._environment, start_new_session=True
            )

    def _listens(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(self.client.address):
            return True
        return False

    def _url(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", self._log.read_text())
        return found[0] if found else ""


def file_of(image_id: str) -> str:
    """Where the image's data is."""
    return f"/v2/images/{image_id}/file"


def _lives(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
