"""Makes the tables and upgrades them, by alembic; compares their revision with what the code needs at every start.

A host may take each part by itself. A part has its own tables, revisions, and a table that names its revision. An
SQLite database is upgraded when it is opened. A database that several machines share is upgraded by the operator
(`imgstore db upgrade`), because other releases may be using it; until then it is refused. There is no downgrade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import schema
from imgstore.sql.address import Address
from imgstore.sql.database import Database
from imgstore.sql.ledger import schema as ledger_schema

CURE = "Run 'imgstore db upgrade'."
LOCK = 7042915823
"""Our number among the advisory locks of PostgreSQL."""
LOCK_NAME, LOCK_SECONDS = "imgstore_upgrade", 60
BEFORE_REVISIONS = "schema_version"
"""Named the layout before there were revisions. The last layout of that time is the first revision."""


@dataclass(frozen=True)
class DatabasePart:
    """Tables that are upgraded together. `head`: the revision that this release needs."""

    name: str
    head: str
    metadata: sa.MetaData

    @property
    def version_table(self) -> str:
        """The table that names the revision."""
        return f"imgstore_{self.name}_revision"


CATALOG = DatabasePart("catalog", "c0007", schema.METADATA)
LEDGER = DatabasePart("ledger", "l0001", ledger_schema.METADATA)
PARTS = (CATALOG, LEDGER)
"""In the order in which they are made, because the ledger is filled from the catalog."""


def opened(address: Address | str, parts: Sequence[DatabasePart], *, busy_timeout: float = 30.0) -> Database:
    """A database with the tables that this release needs. Raises CatalogUnavailable."""
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
    """The revision of the part's tables; None if there are none. Raises CatalogUnavailable."""
    return database.read(lambda connection: _revision(connection, part))


def upgrade(database: Database, parts: Sequence[DatabasePart] = PARTS) -> None:
    """Makes or upgrades the tables of these parts. Several processes may do so at once.

    Raises CatalogUnavailable, also for tables of a later release.
    """

    def work(connection: sa.Connection) -> None:
        with _alone(connection):
            for part in parts:
                _upgrade(connection, part)

    database.change(work)


def _upgrade(connection: sa.Connection, part: DatabasePart) -> None:
    from alembic import command, config, script, util  # takes half a second, which only an upgrade pays

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
        raise _refusal(f"The tables of the {part.name} cannot be upgraded ({error}).") from error


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
        raise _refusal(f"The tables have version {version} of the time before revisions and cannot be upgraded.")
    connection.execute(sa.text(f"DROP TABLE {BEFORE_REVISIONS}"))
    return True


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Inside, no other process changes tables. On SQLite the transaction itself ensures that."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    if connection.dialect.name != "mysql":
        yield
        return
    if connection.scalar(sa.select(sa.func.get_lock(LOCK_NAME, LOCK_SECONDS))) != 1:
        raise errors.CatalogUnavailable("Another process is changing the tables: try again.")
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.release_lock(LOCK_NAME)))


_refusal = partial(errors.CatalogUnavailable, retry_after=None)
