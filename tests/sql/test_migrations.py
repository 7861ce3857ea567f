"""The tables: alembic makes what the code knows; an SQLite file is upgraded when it is opened, a server is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from imgstore import errors
from imgstore.sql import EVERYTHING, PARTS, Database, ImageQuery, SqlCatalog, current, opened, upgrade
from imgstore.sql.schema import IMAGES, LOCATIONS, WORDS
from tests.sql.conftest import OWNER, active_image, queued_image
from tests.support.database_fixtures import SERVER_KINDS, Servers
from tests.support.race import together

VERSION = "UPDATE {} SET version_num = '{}'"


def without_indexes(connection: sa.Connection) -> None:
    """As the tables were before revision c0007."""
    WORDS.drop(connection)
    for index in (*IMAGES.indexes, *LOCATIONS.indexes):
        if index.name not in ("images_by_age", "images_by_lease", "image_locations_by_image"):
            index.drop(connection)
    connection.exec_driver_sql("CREATE INDEX images_by_owner ON images (owner)")


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    """A database without a table."""
    with contextlib.closing(Database(database_url)) as database:
        yield database


def test_revisions_make_the_tables_that_the_code_knows(empty: Database) -> None:
    upgrade(empty)
    everything = sa.MetaData()
    for part in PARTS:
        for table in part.metadata.tables.values():
            table.to_metadata(everything)
    versions = {part.version_table for part in PARTS}

    def differences(connection: sa.Connection) -> object:
        options = {
            "include_name": lambda name, kind, parents: kind != "table" or name not in versions,
            "compare_server_default": True,
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), everything)

    assert empty.read(differences) == []


def test_the_code_needs_the_last_revision() -> None:
    for part in PARTS:
        settings = Config()
        settings.set_main_option("script_location", "imgstore.sql:migrations")
        settings.set_main_option("path_separator", "newline")
        settings.set_main_option("version_locations", f"imgstore.sql:migrations/{part.name}")
        assert ScriptDirectory.from_config(settings).get_heads() == [part.head]


def test_upgrades_at_once_are_one_upgrade_and_a_later_one_changes_nothing(database_url: str, empty: Database) -> None:
    def run() -> None:
        with contextlib.closing(Database(database_url)) as database:
            upgrade(database)

    assert [current(empty, part) for part in PARTS] == [None] * len(PARTS)
    assert together(*[run] * 4) == [None] * 4
    assert [current(empty, part) for part in PARTS] == [part.head for part in PARTS]
    upgrade(empty)
    assert [current(empty, part) for part in PARTS] == [part.head for part in PARTS]
    SqlCatalog(database_url).close()


@pytest.mark.parametrize("server_kind", SERVER_KINDS)
def test_server_without_the_tables_is_refused_with_the_cure(servers: Servers, server_kind: str) -> None:
    with servers[server_kind].database() as url:
        text = url.render_as_string(hide_password=False)
        with pytest.raises(errors.CatalogUnavailable, match="Run 'imgstore db upgrade'"):
            SqlCatalog(text)
        with contextlib.closing(Database(text)) as database:
            assert current(database, PARTS[0]) is None, "nothing was made"
            upgrade(database)
        SqlCatalog(text).close()


def test_tables_of_a_later_release_are_refused(database_url: str) -> None:
    with contextlib.closing(Database(database_url)) as database:
        upgrade(database)
        for part in PARTS:
            later = partial(sa.Connection.exec_driver_sql, statement=VERSION.format(part.version_table, "z9999"))
            database.change(later)
            with pytest.raises(errors.CatalogUnavailable, match="z9999"):
                upgrade(database)
            with pytest.raises(errors.CatalogUnavailable, match=r"z9999|db upgrade"):
                opened(database_url, PARTS)
            database.change(
                partial(sa.Connection.exec_driver_sql, statement=VERSION.format(part.version_table, part.head))
            )


BEFORE_REVISIONS = (
    "DROP TABLE image_members",
    "DROP TABLE store_places",
    "DROP TABLE catalog_state",
    "ALTER TABLE images DROP COLUMN copy_failed",
    "DROP INDEX IF EXISTS images_by_lease",
    "ALTER TABLE images DROP COLUMN lease_until",
    "ALTER TABLE images DROP COLUMN lease_holder",
    f"DROP TABLE {PARTS[0].version_table}",
    "CREATE TABLE schema_version (version INTEGER PRIMARY KEY)",
    "INSERT INTO schema_version VALUES (1)",
)


def test_file_of_the_time_before_revisions_is_taken_over_with_its_images(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.sqlite"
    with contextlib.closing(SqlCatalog(url)) as catalog:
        image_id = active_image(catalog)
    with contextlib.closing(Database(url)) as database:
        database.change(without_indexes)
        for statement in BEFORE_REVISIONS:
            database.change(partial(sa.Connection.exec_driver_sql, statement=statement))
        with pytest.raises(errors.CatalogUnavailable, match="version 1"):
            SqlCatalog(url)
        database.change(partial(sa.Connection.exec_driver_sql, statement="UPDATE schema_version SET version = 2"))
    for _ in range(2):
        with contextlib.closing(SqlCatalog(url)) as catalog:
            assert catalog.get(image_id, OWNER).status == "active"


def test_upgrade_clears_what_earlier_deletions_left_and_nothing_else(tables: str) -> None:
    told = {"name": "n", "tags": ["t"], "properties": {"a": "x" * 70000}}
    with contextlib.closing(SqlCatalog(tables)) as catalog:
        gone, kept = (queued_image(catalog, **told) for _ in range(2))
        catalog.delete(gone, OWNER)
    rows = sa.select(IMAGES.c.id, *(IMAGES.c[name] for name in told))
    with contextlib.closing(Database(tables)) as database:
        database.change(lambda connection: connection.execute(sa.update(IMAGES).values(**told)))
        database.change(without_indexes)
        back = VERSION.format(PARTS[0].version_table, "c0005")
        database.change(partial(sa.Connection.exec_driver_sql, statement=back))
        upgrade(database)
        found = database.read(lambda connection: {row.id: tuple(row[1:]) for row in connection.execute(rows)})
    assert found == {gone: (None, [], {}), kept: tuple(told.values())}
    with contextlib.closing(SqlCatalog(tables)) as catalog:
        assert [image.id for image in catalog.list(EVERYTHING, ImageQuery(10, tags=["t"]))] == [kept]
