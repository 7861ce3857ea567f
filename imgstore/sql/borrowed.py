"""A connection of the host's own, so that the ledger's changes are a part of the host's transaction.

A host on SQLAlchemy gives `LedgerHooks` its own connection (`session.connection()`). Any other host has a connection of
its database's Python driver, such as Django's `connection.connection`, and lends it here. Nothing here begins, commits
or rolls back: that remains the host's.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa

_LENT: ContextVar[Any] = ContextVar("imgstore-lent")


@contextlib.contextmanager
def borrowed(connection: object, dialect: str) -> Iterator[sa.Connection]:
    """Inside, the host's `connection` as SQLAlchemy's. `dialect` is what SQLAlchemy calls database and driver:
    `sqlite`, `postgresql+psycopg`, `mysql+mysqldb`. Use it inside the host's transaction."""
    token = _LENT.set(connection)
    try:
        with _engine(dialect).connect() as ours:
            yield ours
    finally:
        _LENT.reset(token)


@functools.cache
def _engine(dialect: str) -> sa.Engine:
    """Its connections are the lent ones. What ends a transaction or a connection does nothing."""
    engine = sa.create_engine(
        f"{dialect}://", creator=_LENT.get, poolclass=sa.NullPool, pool_reset_on_return=None, hide_parameters=True
    )
    for name in ("do_begin", "do_commit", "do_rollback", "do_close", "do_terminate"):
        setattr(engine.dialect, name, _not_ours)
    return engine


def _not_ours(connection: object) -> None:
    """The host begins, commits, rolls back and closes."""
