"""Connects to each kind of database, and sets up every new session, so that nothing depends on the server's presets.

    SQLite      WAL, synchronous=FULL (what is committed survives a power cut); the file has mode 0600
    PostgreSQL  timeouts of locks and statements, and a transaction ends if its client is gone
    MariaDB     strict mode, a lock timeout, the same end of a transaction, UTF-8 in all of Unicode

A statement on a server has a deadline that this side keeps, too: a server that is frozen keeps none (contained). SQLite
works in this process, on a file.

Changes run in READ COMMITTED: each statement sees what is committed when it gets its locks, and a change has locked
what it rests on (SELECT ... FOR UPDATE, or a condition in the UPDATE itself). On SQLite changes begin with BEGIN
IMMEDIATE: they wait for the lock at the beginning and never fail half-way. Reads are REPEATABLE READ: one view of all.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event

from imgstore import errors
from imgstore.sql.address import Address

CHANGES = "imgstore_changes"
"""The execution option that marks a transaction of changes."""
SINGLE = "imgstore_single"
"""The execution option that marks one statement without a transaction."""
WAIT = "imgstore_wait"
"""What a connection to a file remembers of its wait for a lock."""
CONNECT_TIMEOUT = 10
MARGIN = 2.0
"""Seconds that this side waits longer than the server: its answer says more than silence does."""
TCP = {
    "keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30000,
}  # fmt: skip
"""A peer that is gone without a word is found after a minute, also while nobody waits."""
READING, CHANGING = "REPEATABLE READ", "READ COMMITTED"
TO_JSON = functools.partial(json.dumps, ensure_ascii=False)
"""MariaDB compares JSON strings as text, so each string is written in one way only."""


def engine_of(
    address: Address, *, patience: float, connections: int, deadline: float | None, read_only: bool = False
) -> sa.Engine:
    """An engine that has not connected yet. `patience`: seconds to wait for a lock or a connection; `deadline`: for a
    statement on a server. `read_only`: every connection refuses changes.

    Raises ImportError if the database's driver is not installed, CatalogUnavailable if the file cannot be used or the
    driver does not take a parameter of the address.
    """
    kind = address.url.get_backend_name()
    if address.file is not None and not read_only:
        _create_private(address.file)
    options: dict[str, Any] = {}
    if not address.embedded:
        options = {"pool_size": connections, "max_overflow": 0, "isolation_level": CHANGING}
    with _parameters_taken():
        engine = sa.create_engine(
            _only_read(address) if read_only else address.url, hide_parameters=True, pool_timeout=patience,
            connect_args=dict(_connect_arguments(kind, deadline)), json_serializer=TO_JSON, **options,
        )  # fmt: skip
    event.listen(engine, "do_connect", functools.partial(_connected, deadline=deadline))
    setup = _setup_of(kind, patience, deadline)
    event.listen(engine, "connect", _Setup(kind, _reading_setup(kind, setup) if read_only else setup))
    if kind in _BEGINNINGS:
        event.listen(engine, "begin", _BEGINNINGS[kind])
    return engine


def _connected(
    dialect: sa.Dialect, record: object, arguments: Sequence[Any], named: Mapping[str, Any], *, deadline: float | None
) -> object:
    """A new connection of the database's driver."""
    with _parameters_taken():
        if dialect.name != "postgresql" or deadline is None:
            return dialect.connect(*arguments, **named)
        from imgstore.sql import postgresql  # needs the extra

        return postgresql.connect(arguments, named, patience=deadline + MARGIN)


@contextlib.contextmanager
def _parameters_taken() -> Iterator[None]:
    """Around what gets the parameters. The text of a failure may have a value, so it is not shown (no secrets)."""
    try:
        yield
    except (TypeError, ValueError):
        message = "The catalog's database does not take the parameters behind the '?' of its URL."
        raise errors.CatalogUnavailable(message, retry_after=None) from None


def isolated(connection: sa.Connection, *, changes: bool) -> sa.Connection:
    """The connection, whose next transactions have the isolation of a read or of a change."""
    if connection.dialect.name == "postgresql":
        return connection if changes else connection.execution_options(isolation_level=READING)
    return connection.execution_options(**{CHANGES: changes})


def single(connection: sa.Connection) -> sa.Connection:
    """The connection, for one statement that reads: nothing is sent to begin or to end it, where that can be."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    return connection.execution_options(**{SINGLE: True})


def wait_at_most(connection: sa.Connection, seconds: float) -> None:
    """Bounds the wait for the lock of a file, in tenths of a second. A server has a bound of its own."""
    if connection.dialect.name == "sqlite":
        wait = 100 * math.ceil(10 * seconds)
        if connection.info.get(WAIT) != wait:
            connection.connection.cursor().execute(f"PRAGMA busy_timeout={wait}")
            connection.info[WAIT] = wait


def _connect_arguments(kind: str, deadline: float | None) -> Mapping[str, Any]:
    if kind == "postgresql":
        return {"connect_timeout": CONNECT_TIMEOUT, **TCP}
    if kind == "mysql":
        quiet = None if deadline is None else math.ceil(deadline + MARGIN)
        return {
            "connect_timeout": CONNECT_TIMEOUT, "read_timeout": quiet, "write_timeout": quiet, "charset": "utf8mb4",
        }  # fmt: skip
    return {}


def lock_wait(patience: float) -> int:
    """Seconds for which a statement waits for a lock."""
    return max(1, math.ceil(patience / 3))


def _setup_of(kind: str, patience: float, deadline: float | None) -> Sequence[str]:
    wait = lock_wait(patience)
    if kind == "postgresql":
        bound = 0 if deadline is None else math.ceil(deadline)
        return (
            f"SET lock_timeout = '{wait}s'",
            f"SET statement_timeout = '{bound}s'",
            f"SET idle_in_transaction_session_timeout = '{10 * wait}s'",
        )
    if kind == "mysql":
        idle = f"/*M!100300 , SESSION idle_transaction_timeout = {10 * wait} */"  # MySQL has none, and reads a comment
        return ("SET SESSION sql_mode = 'TRADITIONAL'", f"SET SESSION innodb_lock_wait_timeout = {wait} {idle}")
    return (
        f"PRAGMA busy_timeout={int(patience * 1000)}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA synchronous=FULL",
    )


def _reading_setup(kind: str, setup: Sequence[str]) -> Sequence[str]:
    """The same for a connection that changes nothing. How an SQLite file keeps its journal is a change."""
    if kind == "postgresql":
        return (*setup, "SET default_transaction_read_only = on")
    if kind == "mysql":
        return (*setup, "SET SESSION TRANSACTION READ ONLY")
    return (setup[0], "PRAGMA query_only=ON")


def _only_read(address: Address) -> sa.URL:
    """A file is opened for reading, too, so that it is not made where it is missing."""
    if address.file is None:
        return address.url
    return address.url.set(database=f"file:{quote(str(address.file.resolve()))}", query={"mode": "ro", "uri": "true"})


class _Setup:
    """Runs statements on every new connection, outside a transaction."""

    def __init__(self, kind: str, statements: Sequence[str]) -> None:
        self._kind = kind
        self._statements = statements

    def __call__(self, connection: Any, record: object) -> None:
        if self._kind == "sqlite":
            connection.isolation_level = None  # turns sqlite3's own, implicit transactions off for good
        elif self._kind == "postgresql":
            connection.autocommit = True
        cursor = connection.cursor()
        for statement in self._statements:
            cursor.execute(statement)
        cursor.close()
        if self._kind == "postgresql":
            connection.autocommit = False


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(SINGLE, False):
        return
    changes = connection.get_execution_options().get(CHANGES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if changes else "BEGIN")


def _begin_mysql(connection: sa.Connection) -> None:
    """Sets it for this one transaction. SQLAlchemy would change the session and back, in four round trips."""
    options = connection.get_execution_options()
    if not (options.get(CHANGES, False) or options.get(SINGLE, False)):
        connection.exec_driver_sql(f"SET TRANSACTION ISOLATION LEVEL {READING}")


_BEGINNINGS: Mapping[str, Callable[[sa.Connection], None]] = {"sqlite": _begin_sqlite, "mysql": _begin_mysql}


def _create_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise errors.CatalogUnavailable(
            f"The catalog's file cannot be opened ({error.strerror}).", detail=str(error), retry_after=None
        ) from error
