"""Connections and transactions, and what their failures mean.

A failure before COMMIT becomes CatalogUnavailable: the change was certainly not made. A failure of COMMIT itself
becomes OutcomeUnknown, which is not one of the library's errors, so that the core takes it for what it is. Transactions
are short: nobody holds one while bytes of an image move.

SQLite runs in WAL mode with `synchronous=FULL` (a committed activation survives a power cut) and `BEGIN IMMEDIATE` for
every change, so that a compare-and-set waits for the lock at its begin and never fails half-way. The file is created
with mode 0600.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from imgstore import errors
from imgstore.sql.schema import METADATA, SCHEMA, SCHEMA_VERSION

_CHANGES = "imgstore_changes"


class OutcomeUnknown(Exception):
    """COMMIT failed: the change was made, or was not. The text holds no values of the row."""


class Database:
    """One database. `url` is SQLAlchemy's; `busy_timeout` (seconds): how long a change waits for another one."""

    def __init__(self, url: str, *, busy_timeout: float = 30.0) -> None:
        with _not_made("opening the catalog"):
            self._engine = sa.create_engine(url, hide_parameters=True, pool_timeout=busy_timeout)
        if self._engine.dialect.name == "sqlite":
            self._prepare_sqlite(busy_timeout)
        self._create_tables()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent view. Raises CatalogUnavailable."""
        with _not_made("reading"), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """One change, made when the block ends without an exception. Raises CatalogUnavailable, OutcomeUnknown."""
        with contextlib.ExitStack() as stack:
            with _not_made("changing it"):
                connection = stack.enter_context(self._engine.connect())
                connection = connection.execution_options(**{_CHANGES: True})
                connection.begin()
                yield connection
            try:
                connection.commit()
            except SQLAlchemyError as error:
                connection.invalidate()  # else it goes back to the pool in the middle of the transaction
                raise OutcomeUnknown(f"COMMIT failed ({_describe(error)})") from error

    def close(self) -> None:
        """Returns the connections."""
        self._engine.dispose()

    def _prepare_sqlite(self, busy_timeout: float) -> None:
        path = self._engine.url.database
        if path and path != ":memory:":
            _create_private(Path(path))
        event.listen(self._engine, "connect", _Pragmas(busy_timeout))
        event.listen(self._engine, "begin", _begin)

    def _create_tables(self) -> None:
        with self.changing() as connection:
            METADATA.create_all(connection)
            version = connection.scalar(sa.select(SCHEMA.c.version))
            if version is None:
                connection.execute(sa.insert(SCHEMA).values(version=SCHEMA_VERSION))
        if version not in (None, SCHEMA_VERSION):
            raise errors.CatalogUnavailable(
                f"The catalog's tables have version {version}, this release needs {SCHEMA_VERSION}.", retry_after=None
            )


class _Pragmas:
    """What every new connection to SQLite is told; sqlite3's own, implicit transactions are turned off."""

    def __init__(self, busy_timeout: float) -> None:
        self._statements = (
            f"PRAGMA busy_timeout={int(busy_timeout * 1000)}",
            "PRAGMA journal_mode=WAL",
            "PRAGMA foreign_keys=ON",
            "PRAGMA synchronous=FULL",
        )

    def __call__(self, connection: Any, record: object) -> None:
        connection.isolation_level = None
        for statement in self._statements:
            connection.execute(statement).close()


def _begin(connection: sa.Connection) -> None:
    changes = connection.get_execution_options().get(_CHANGES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if changes else "BEGIN")


def _create_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise errors.CatalogUnavailable(
            f"The catalog's file cannot be opened ({error.strerror}).", detail=str(error), retry_after=None
        ) from error


@contextlib.contextmanager
def _not_made(action: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise errors.CatalogUnavailable(f"The catalog failed while {action}.", detail=_describe(error)) from error


def _describe(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else None
    return type(error).__name__ if cause is None else f"{type(error).__name__}: {cause}"
