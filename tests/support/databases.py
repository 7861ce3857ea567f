"""Real databases for tests: SQLite files, and PostgreSQL and MariaDB servers of the tests' own.

A server has a directory of its own, in memory if there is enough, listens on a unix socket there and nowhere else, is
stopped by its process id, and its data is removed. What makes a change durable is turned down, since no test cuts the
power. What a server presets is as unlike our sessions as it can be (isolation, SQL mode, character set, time zone): our
sessions say themselves what they need. Both servers refuse to run as root, so they run as another user then.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.needs import find_server
from tests.support.frozen import frozen
from tests.support.waiting import until

PATIENCE = 60.0
CONNECTIONS = 400


class DatabaseServer(ABC):
    """One server; use it as a context manager. `database` gives an empty database."""

    USERS: Sequence[str]
    PROGRAM: str
    SIGNAL: signal.Signals
    SOCKET: str
    DROP: str

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="imgstore-db-", dir=in_memory()))
        self._user = _user(self.USERS)
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    @abstractmethod
    def _prepare(self) -> None:
        """Makes the data directory."""

    @abstractmethod
    def _command(self) -> list[str]:
        """How the server is started."""

    @abstractmethod
    def url(self, database: str = "") -> sa.URL:
        """SQLAlchemy's URL of a database; of the server's own where none is named."""

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root, **self._as_user()
            )
        engine = sa.create_engine(self.url(), poolclass=sa.NullPool)
        until(lambda: self._alive() and _listens(self.root / self.SOCKET) and _answers(engine))

    def stop(self) -> None:
        """Ends the process at once, as a crash would; a no-op if there is none."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.SIGNAL)
            process.wait(PATIENCE)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, it takes connections, as the kernel does for it, and says nothing."""
        assert self._process is not None
        with frozen(self._process.pid):
            yield

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Inside, the server is gone."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def database(self) -> Iterator[sa.URL]:
        """Inside, there is an empty database."""
        self._count += 1
        name = f"test_{self._count}"
        self.execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        self.execute(self.DROP.format(name=name))

    def execute(self, statement: str) -> None:
        """Runs one statement in the server's own database."""
        engine = sa.create_engine(self.url(), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def __enter__(self) -> DatabaseServer:
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self.root)
            if self._user is not None:
                os.chown(self.root, self._user.pw_uid, self._user.pw_gid)
            self._prepare()
            undo.callback(self.stop)
            self.start()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    @property
    def _log(self) -> Path:
        return self.root / "server.log"

    def _alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.PROGRAM} ended:\n{self._log.read_text()}"
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_program(program), *arguments], cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, check=False, **self._as_user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self) -> dict[str, Any]:
        return {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


class PostgreSQL(DatabaseServer):
    """A PostgreSQL cluster."""

    USERS = ("postgres", "nobody")
    PROGRAM = "postgres"
    SIGNAL = signal.SIGQUIT
    SOCKET = ".s.PGSQL.5432"
    DROP = "DROP DATABASE {name} WITH (FORCE)"

    def _prepare(self) -> None:
        data = str(self.root / "data")
        self._run(
            "initdb", "--pgdata", data, "--username", "tester", "--auth", "trust", "--no-sync", "--encoding", "UTF8"
        )
        rules = self.root / "data" / "pg_hba.conf"
        rules.write_text(f"local all imgstore scram-sha-256\n{rules.read_text()}")  # one user needs its password

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.root, "max_connections": CONNECTIONS,
            "fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB",
            "default_transaction_isolation": "serializable", "timezone": "America/St_Johns",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [_program("postgres"), "-D", str(self.root / "data"), *options]

    def url(self, database: str = "") -> sa.URL:
        """See DatabaseServer."""
        query = {"host": str(self.root)}
        return sa.URL.create("postgresql+psycopg", "tester", database=database or "postgres", query=query)


class MariaDB(DatabaseServer):
    """A MariaDB server."""

    USERS = ("mysql", "nobody")
    PROGRAM = "mariadbd"
    SIGNAL = signal.SIGKILL
    SOCKET = "socket"
    HASTE = (
        "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-doublewrite=OFF",
        "--innodb-log-file-size=8M",
    )  # fmt: skip
    DROP = "DROP DATABASE {name}"

    def _prepare(self) -> None:
        own = (f"--datadir={self.root}/data", f"--tmpdir={self.root}")
        options = ("--no-defaults", *own, "--skip-test-db", "--skip-name-resolve")
        self._run("mariadb-install-db", *options, "--auth-root-authentication-method=normal", *self.HASTE)

    def _command(self) -> list[str]:
        settings = {
            "datadir": self.root / "data", "socket": self.root / self.SOCKET, "pid-file": self.root / "pid",
            "tmpdir": self.root,  # a server that starts removes the temporary tables of all others from a shared one
            "max-connections": CONNECTIONS, "innodb-buffer-pool-size": "64M", "sql-mode": "",
            "character-set-server": "latin1", "transaction-isolation": "SERIALIZABLE", "default-time-zone": "-03:30",
        }  # fmt: skip
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [_program("mariadbd"), "--no-defaults", "--skip-networking", "--skip-log-bin", *self.HASTE, *options]

    def url(self, database: str = "") -> sa.URL:
        """See DatabaseServer."""
        query = {"unix_socket": str(self.root / self.SOCKET)}
        return sa.URL.create("mysql+pymysql", "root", database=database or None, query=query)


def in_memory() -> str | None:
    """Where files cost no fsync; None, for the temporary directory, if there is not enough memory."""
    shared = "/dev/shm"
    return shared if os.path.isdir(shared) and shutil.disk_usage(shared).free > 2 << 30 else None


SERVERS: dict[str, type[DatabaseServer]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def _program(name: str) -> str:
    found = find_server(name)
    assert found is not None, f"{name} is missing"
    return str(found)


def _user(names: Sequence[str]) -> pwd.struct_passwd | None:
    """Whom a server runs as: ourselves, unless that is root."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def _listens(path: Path) -> bool:
    """Asked first, since PyMySQL leaves a socket open that it could not connect."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _answers(engine: sa.Engine) -> bool:
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
