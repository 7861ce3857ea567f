"""What a failure of the database means: whether certainly nothing was changed, so that the change may be tried again.

Deadlocks, serialization failures and lock timeouts roll a transaction back; so does a connection that breaks before
COMMIT was sent. SQLite waits for its locks itself. The names below are those of the databases' manuals.
"""

from __future__ import annotations

import re

from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from imgstore import errors

POSTGRESQL = {"40001": "serialization failure", "40P01": "deadlock", "55P03": "lock timeout"}
MYSQL = {1213: "deadlock", 1205: "lock timeout", 1020: "changed since it was read"}

MYSQL_REFUSALS = {1044: "no access to the database", 1045: "no access for the user", 1049: "no such database"}
POSTGRESQL_REFUSALS = re.compile(
    r'FATAL: +(database|role) ".*" does not exist|FATAL: +password authentication failed|no password supplied'
)
"""libpq tells no SQLSTATE of a connection that failed. A server that speaks another language is not understood."""


class OutcomeUnknown(Exception):
    """COMMIT failed, and nobody knows whether the change was made. The text has no values of the row."""


class Contention(errors.CatalogUnavailable):
    """Another change was in the way, or the connection broke. Nothing was changed; it may be tried again."""


class WrongDatabase(errors.CatalogUnavailable):
    """The server answers, and has no such database or user, or the password is another one: no retry mends that."""


def not_made(error: SQLAlchemyError, action: str) -> errors.ImgstoreError:
    """The error for a failure before COMMIT: the change was certainly not made. A value that does not fit (a name that
    is too long, a character that the database does not keep) is a mistake of the host's, and no retry mends it."""
    if isinstance(error, DataError):
        return errors.UsageError("The catalog's database does not take a value.", detail=describe(error))
    if is_refused(error):
        kind: type[errors.CatalogUnavailable] = WrongDatabase
    else:
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


def is_refused(error: SQLAlchemyError) -> bool:
    """Whether the server knows no such database, user or password."""
    cause = _cause(error)
    number = cause.args[0] if cause is not None and cause.args else None
    return number in MYSQL_REFUSALS or (isinstance(number, str) and POSTGRESQL_REFUSALS.search(number) is not None)


def is_lost(error: SQLAlchemyError) -> bool:
    """Whether the connection broke during the transaction."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def describe(error: SQLAlchemyError) -> str:
    """The failure for the log, in the database's own words, which hold no password."""
    cause = error if isinstance(error, NoConnection) else _cause(error)
    return type(error).__name__ if cause is None else f"{type(error).__name__}: {cause}"


def _cause(error: SQLAlchemyError) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else None
