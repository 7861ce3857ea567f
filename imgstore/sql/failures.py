"""What a failing database means: which failures say for certain that nothing was changed, and may be tried again.

Deadlocks, serialization failures and lock timeouts end a transaction without a trace; so does a connection that is lost
before COMMIT was sent. SQLite's locks are waited for inside SQLite. What an exception is called here is what the
databases' manuals call it, by number.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from imgstore import errors

POSTGRESQL = {"40001": "serialization failure", "40P01": "deadlock", "55P03": "lock timeout"}
MYSQL = {1213: "deadlock", 1205: "lock timeout", 1020: "changed since it was read"}


class OutcomeUnknown(Exception):
    """COMMIT failed: the change was made, or was not. The text holds no values of the row."""


class Contention(errors.CatalogUnavailable):
    """Another change was in the way, or the connection was lost; nothing was changed, and it may be tried again."""


def not_made(error: SQLAlchemyError, action: str) -> errors.CatalogUnavailable:
    """The error for a failure before COMMIT: the change was certainly not made."""
    kind = Contention if in_the_way(error) or is_lost(error) else errors.CatalogUnavailable
    return kind(f"The catalog failed while {action}.", detail=describe(error))


def not_committed(error: SQLAlchemyError) -> Exception:
    """The error for a failure of COMMIT itself: only what the database says it rolled back was certainly not made."""
    return not_made(error, "changing it") if in_the_way(error) else OutcomeUnknown(f"COMMIT failed ({describe(error)})")


def in_the_way(error: SQLAlchemyError) -> bool:
    """Whether the database rolled back because of another transaction."""
    return _state(error) in POSTGRESQL or _number(error) in MYSQL


def is_lost(error: SQLAlchemyError) -> bool:
    """Whether the connection broke under the transaction."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def describe(error: SQLAlchemyError) -> str:
    """The failure for the log: the database's own words, which hold no password."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return type(error).__name__ if cause is None else f"{type(error).__name__}: {cause}"


def _state(error: SQLAlchemyError) -> object:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


def _number(error: SQLAlchemyError) -> object:
    arguments = error.orig.args if isinstance(error, DBAPIError) and error.orig is not None else ()
    return arguments[0] if arguments else None
