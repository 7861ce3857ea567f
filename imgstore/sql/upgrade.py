"""The revision of the tables: made and brought up to date by alembic, compared with what the code needs at every start.

There are parts that a host may take by themselves, each with its tables, its revisions and a table that names the
revision. An SQLite database is brought up to date when it is opened. A database that several machines share is brought
up to date by the operator (`imgstore db upgrade`), since other releases may be using it; until then it is refused.
What this module refuses to do: go back to an earlier revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import schema
from imgstore.sql.address import Address
from imgstore.sql.database import Database
from imgstore.sql.ledger import schema as ledger_schema

CURE = "Run 'imgstore db upgrade'."
LOCK = 7042915823
"""A number for the advisory locks of PostgreSQL that nobody else uses."""
LOCK_NAME, LOCK_SECONDS = "imgstore_upgrade", 60
BEFORE_REVISIONS = "schema_version"
"""The table that named the layout before there were revisions; the last layout of that time is the first revision."""


@dataclass(frozen=True)
class DatabasePart:
    """Tables that belong together. `head`: the revision that this release needs."""

    name: str
    head: str
    metadata: sa.MetaData

    @property
    def version_table(self) -> str:
        """The table that names the revision."""
        return f"imgstore_{self.name}_revision"


CATALOG = DatabasePart("catalog", "c0003", schema.METADATA)
LEDGER = DatabasePart("ledger", "l0001", ledger_schema.METADATA)
PARTS = (CATALOG, LEDGER)
"""In the order in which they are made: the ledger is filled from the catalog."""


def opened(address: Address | str, parts: Sequence[DatabasePart], *, busy_timeout: float = 30.0) -> Database:
    """A database whose tables are as this release needs them. Raises CatalogUnavailable."""
    database = Database(address, busy_timeout=busy_timeout)
    try:
        outdated = [part for part in parts if current(database, part) != part.head]
        if outdated and database.address.embedded:
            upgrade(database, outdated)
        elif outdated:
            raise _refusal(f"The tables in the database are not those of this release. {CURE}")
    except BaseException:
        database.close()
        raise
    return database


def current(database: Database, part: DatabasePart) -> str | None:
    """The revision of the part's tables; None where there are none. Raises CatalogUnavailable."""
    return database.read(lambda connection: _revision(connection, part))


def upgrade(database: Database, parts: Sequence[DatabasePart] = PARTS) -> None:
    """Makes the tables of these parts, or brings them up to date. Several processes may do so at once.

    Raises CatalogUnavailable: also for tables of a later release.
    """
    database.change(lambda connection: _upgrade_all(connection, parts))


def _upgrade_all(connection: sa.Connection, parts: Sequence[DatabasePart]) -> None:
    with _alone(connection):
        for part in parts:
            _upgrade(connection, part)


def _upgrade(connection: sa.Connection, part: DatabasePart) -> None:
    from alembic import command, config, script, util  # half a second that only a start with old tables pays for

    settings = config.Config()
    settings.set_main_option("script_location", "imgstore.sql:migrations")
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", f"imgstore.sql:migrations/{part.name}")
    settings.attributes.update(connection=connection, metadata=part.metadata, version_table=part.version_table)
    known = {revision.revision for revision in script.ScriptDirectory.from_config(settings).walk_revisions()}
    present = _revision(connection, part)
    if present not in {None, *known}:
        raise _refusal(f"The tables of the {part.name} have revision {present}, which this release does not know.")
    try:
        if part is CATALOG and _is_before_revisions(connection):
            command.stamp(settings, "c0001")
        command.upgrade(settings, part.head)
    except util.CommandError as error:
        raise _refusal(f"The tables of the {part.name} cannot be brought up to date ({error}).") from error


def _revision(connection: sa.Connection, part: DatabasePart) -> str | None:
    if not sa.inspect(connection).has_table(part.version_table):
        return None
    revision: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {part.version_table}"))  # noqa: S608 - a constant
    return revision


def _is_before_revisions(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(BEFORE_REVISIONS):
        return False
    version = connection.scalar(sa.text(f"SELECT version FROM {BEFORE_REVISIONS}"))  # noqa: S608 - a constant
    if version != 2:
        raise _refusal(f"The tables have version {version} of the time before revisions, which cannot be read.")
    connection.execute(sa.text(f"DROP TABLE {BEFORE_REVISIONS}"))
    return True


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Inside, no other process changes tables. On SQLite the transaction sees to it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    if connection.dialect.name != "mysql":
        yield
        return
    if connection.scalar(sa.select(sa.func.get_lock(LOCK_NAME, LOCK_SECONDS))) != 1:
        raise errors.CatalogUnavailable("Another process changes the tables at this moment: try again.")
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.release_lock(LOCK_NAME)))


def _refusal(message: str) -> errors.CatalogUnavailable:
    return errors.CatalogUnavailable(message, retry_after=None)
