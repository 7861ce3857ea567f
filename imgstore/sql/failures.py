"""What a failure of the database means: whether certainly nothing was changed, so that the change may be tried again.

Deadlocks, serialization failures and lock timeouts roll a transaction back; so does a connection that breaks before
COMMIT was sent. SQLite waits for its locks itself. The names below are those of the databases' manuals.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from imgstore import errors

POSTGRESQL = {"40001": "serialization failure", "40P01": "deadlock", "55P03": "lock timeout"}
MYSQL = {1213: "deadlock", 1205: "lock timeout", 1020: "changed since it was read"}


class OutcomeUnknown(Exception):
    """COMMIT failed, and nobody knows whether the change was made. The text has no values of the row."""


class Contention(errors.CatalogUnavailable):
    """Another change was in the way, or the connection broke. Nothing was changed; it may be tried again."""


def not_made(error: SQLAlchemyError, action: str) -> errors.CatalogUnavailable:
    """The error for a failure before COMMIT: the change was certainly not made."""
    kind = Contention if in_the_way(error) or is_lost(error) else errors.CatalogUnavailable
    return kind(f"The catalog failed while {action}.", detail=describe(error))


def not_committed(error: SQLAlchemyError) -> Exception:
    """The error for a failure of COMMIT: the change was certainly not made only if the database rolled it back."""
    return not_made(error, "changing it") if in_the_way(error) else OutcomeUnknown(f"COMMIT failed ({describe(error)})")


def in_the_way(error: SQLAlchemyError) -> bool:
    """Whether the database rolled back because of another transaction."""
    cause = _cause(error)
    number = cause.args[0] if cause is not None and cause.args else None
    return getattr(cause, "sqlstate", None) in POSTGRESQL or number in MYSQL


def is_lost(error: SQLAlchemyError) -> bool:
    """Whether the connection broke during the transaction."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def describe(error: SQLAlchemyError) -> str:
    """The failure for the log, in the database's own words, which hold no password."""
    cause = _cause(error)
    return type(error).__name__ if cause is None else f"{type(error).__name__}: {cause}"


def _cause(error: SQLAlchemyError) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else None
