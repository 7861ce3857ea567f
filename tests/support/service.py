"""The service under test: as a process of its own on a real store, or in this process, so that its parts can be faulty.

Both have a `client`, and tell what an image, the catalog and the stores look like behind the service's back.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from imgstore.driver.place import NOTES
from imgstore.service import __main__ as program
from imgstore.service.assembly import Service
from imgstore.service.auth.noauth import claimed
from imgstore.service.server.server import Server
from imgstore.service.watch import HealthSettings
from imgstore.sql import LEASE, PARTS, Caller, opened
from imgstore.store import StoreSet
from imgstore.transfers.observer import Observer
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadSettings
from tests.support.client import Client
from tests.support.running import Running

STORES = ("fast", "slow")
PATIENCE = 60.0
UNWATCHED = HealthSettings(interval=86400.0)
"""No check of a store in the middle of a test: for a moment it has a hidden file of its own there."""
UNRECOVERED = 86400.0
"""No recovery in the middle of a test: it removes what the test wants to see pending."""
UNHEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Options = Mapping[str, Mapping[str, object]]


@contextlib.contextmanager
def signals_are_heard() -> Iterator[None]:
    """Inside, what is started does not ignore a signal because the tests do: `make test &` and nohup make them."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in UNHEARD if _ignored(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def refusal(*arguments: str, status: int = 2) -> str:
    """The one line with which the service refuses to start, asked in this process; it warns of nothing besides. Its
    exit status is 2, or 5 where it may start later."""
    told, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(told), root.level
    handler.addFilter(logging.Filter("imgstore"))
    handler.setLevel(logging.WARNING)  # that another store made its place is no warning
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stderr(told))
            for name in ("keep_no_file", "configure"):
                stack.enter_context(mock.patch.object(program, name))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", DeprecationWarning)  # of what keystonemiddleware imports
            assert program.main(arguments) == status
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    (line,) = told.getvalue().splitlines()
    return line


class CatalogView:
    """What the catalog's file says, read without the service."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def status(self, image_id: str) -> str:
        """The status of an image, `deleted` included."""
        return str(self._rows("SELECT status FROM images WHERE id = ?", image_id)[0][0])

    def uploads(self) -> int:
        """Attempts that have not ended."""
        return len(self._rows("SELECT id FROM images WHERE uploading IS NOT NULL"))

    def removals(self) -> list[str]:
        """Keys of the objects that are still to be removed."""
        return [str(row[0]) for row in self._rows("SELECT key FROM image_locations WHERE state = 'removing'")]

    def keys(self) -> list[str]:
        """Keys of the objects that are images' data."""
        return [str(row[0]) for row in self._rows("SELECT key FROM image_locations WHERE state = 'live'")]

    def _rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()


class ServiceProcess(Running):
    """`python -m imgstore.service` on a free port with the filesystem stores `fast` and `slow` below `root`.

    `options` are more options, by section: `{"imgstore": {"max_image_size": 1000}}`, None for none of that name;
    `environment` is added to the process's. Use it as a context manager; it
    can be stopped, killed and started again in between.
    """

    def __init__(
        self, root: Path, *, options: Options | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.root = root
        self._options = options
        self._environment = dict(environment or {})
        self.stores = {name: root / name for name in STORES}
        self.catalog = CatalogView(root / "imgstore.sqlite")
        self.configuration = root / "service.conf"
        self.configuration.write_text(_configuration(self.stores, options or {}))
        self.configuration.chmod(0o600)  # it may have passwords
        self.log = root / "service.log"
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.client = Client("http://127.0.0.1:1")

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process under way."""
        assert self._process is not None, "the service is not running"
        return self._process

    def refusal(self, *, status: int = 2) -> str:
        """The one line with which it refuses to start."""
        return refusal(*self.command()[3:], status=status)

    def another(self) -> ServiceProcess:
        """One more process on the same stores and the same database, to be started."""
        return ServiceProcess(self.root, options=self._options, environment=self._environment)

    def start(self) -> None:
        """Starts it and waits until it listens."""
        with self.log.open("a") as log, signals_are_heard():
            self._process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.root,
                env={**os.environ, **self._environment},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.search(r"https?://\S+:\d+", line)
        if match is None:
            self.kill()
            raise AssertionError(f"the service did not start: {line!r}\n{self.log.read_text()}")
        self.client = Client(match[0])

    def command(self) -> list[str]:
        """How it is started."""
        module = [sys.executable, "-m", "imgstore.service", "--config-file", str(self.configuration)]
        return [*module, "--data-dir", str(self.root), "--port", str(self.port)]

    def hang_up(self, options: Options) -> None:
        """SIGHUP, with other options in its file."""
        self.configuration.write_text(_configuration(self.stores, options))
        self.process.send_signal(signal.SIGHUP)

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def stop(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is not None:
            self.terminate()

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """The exit status, after its end."""
        process, self._process = self.process, None
        try:
            return process.wait(PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(PATIENCE)  # one that waits in the kernel cannot be killed
            if process.stdout is not None:
                process.stdout.close()

    def objects(self, store: str | None = None) -> list[str]:
        """Keys of the objects in one store, or in both."""
        return sorted(name for name in self._names(store) if not name.startswith("."))

    def leftovers(self, store: str | None = None) -> list[str]:
        """Names of what is in the stores' directories and is not an object."""
        return sorted(name for name in self._names(store) if name.startswith("."))

    def memory(self, field: str) -> int:
        """Bytes, from /proc: VmRSS (present), VmHWM (peak)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
        assert match is not None
        return int(match[1]) * 1024

    def forget_peak(self) -> None:
        """The peak of memory begins anew at what is in use now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _names(self, store: str | None) -> list[str]:
        chosen = STORES if store is None else (store,)
        return [name for each in chosen for name in os.listdir(self.stores[each]) if name not in NOTES]


class LocalService:
    """The same service in this process, on stores that the test made, behind the real server."""

    def __init__(
        self,
        root: Path,
        stores: StoreSet,
        *,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        project_quota: int | None = None,
        observers: Sequence[Observer] = (),
        body_timeout: float = PATIENCE,
        busy_timeout: float = PATIENCE,
        authenticate: Callable[[dict[str, Any]], Caller] = claimed,
        health: HealthSettings = UNWATCHED,
        endpoint: str | None = None,
        recovery_interval: float = UNRECOVERED,
        lease: float = LEASE,
    ) -> None:
        self.catalog = CatalogView(root / "imgstore.sqlite")
        self.service = Service(
            stores,
            opened(f"sqlite:///{self.catalog.database}", PARTS, busy_timeout=busy_timeout),
            settings=settings,
            taps=taps,
            observers=observers,
            project_quota=project_quota,
            authenticate=authenticate,
            health=health,
            endpoint=endpoint,
            recovery_interval=recovery_interval,
            lease=lease,
        )
        self.server = Server(("127.0.0.1", 0), self.service.app, threads=8, read_timeout=body_timeout, grace=5)
        self.service.probes.threads, self.service.process.lanes = self.server.threads, self.server.lanes
        self.server.expiration_interval = 0.02  # between two looks at whether it is to stop
        self.server.prepare()
        self.client = Client(self.server.url)

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalService]:
        """Inside, it serves."""
        thread = threading.Thread(target=self.server.serve, name="serve")
        try:
            self.service.start()
            thread.start()
            yield self
        finally:
            self.server.stop()
            if thread.ident is not None:
                thread.join()
            self.service.close()


def _configuration(stores: Mapping[str, Path], options: Options) -> str:
    sections: dict[str, dict[str, object]] = {
        "imgstore": {
            "enabled_stores": ", ".join(f"{name}:filesystem" for name in stores),
            "default_store": STORES[0],
        },
        "service": {"health_interval": UNWATCHED.interval},
        **{name: {"datadir": path, "description": f"the {name} one"} for name, path in stores.items()},
    }
    for section, values in options.items():
        sections.setdefault(section, {}).update(values)
    lines = []
    for section, values in sections.items():
        told = {name: value for name, value in values.items() if value is not None}
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in told.items()), ""]
    return "\n".join(lines)
