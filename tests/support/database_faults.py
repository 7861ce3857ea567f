"""What goes wrong with databases: a COMMIT that fails, a lock that does not end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from imgstore.sql import Database


@contextlib.contextmanager
def failing_commit(database: Database, *, made: bool) -> Iterator[None]:
    """Inside, the first COMMIT raises as a failing disk does; `made`: but the change is committed."""
    failed: list[bool] = []

    def fail(connection: sa.Connection) -> None:
        if not failed:
            failed.append(True)
            if made:
                connection.exec_driver_sql("COMMIT")
            raise sa.exc.OperationalError("COMMIT", None, OSError("disk I/O error"))

    sa.event.listen(database._engine, "commit", fail)
    yield
    sa.event.remove(database._engine, "commit", fail)


@contextlib.contextmanager
def locked_images(url: str) -> Iterator[None]:
    """Inside, somebody else has all images locked."""
    with contextlib.closing(Database(url)) as database, database._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection = connection.execution_options(imgstore_changes=True)
        with connection.begin() as transaction:
            connection.exec_driver_sql("UPDATE images SET min_disk = min_disk + 1")
            yield
            transaction.rollback()
