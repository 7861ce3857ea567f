"""No statement of a list, or of what runs all the time, looks at all images: each database's own plan says so.

SQLite says what it would do with any number of rows. The servers are told to scan nothing they need not, and have
some rows, so that a plan without an index is one for which there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from imgstore.sql import (
    EVERYTHING,
    PARTS,
    Caller,
    Condition,
    Database,
    ImageQuery,
    SortKey,
    SqlCatalog,
    take_census,
    upgrade,
)
from tests.support.many_images import CHECKSUM, fill, image_id

ADMIN = Caller("operators", is_admin=True)
CALLERS = {"member": Caller("project 0"), "admin": ADMIN}
ROWS = 1000
MARKER = image_id(150)
QUERIES: Mapping[str, Mapping[str, object]] = {
    "page": {},
    "next page": {"marker": MARKER},
    "name": {"conditions": [Condition("name", "eq", "image 7")]},
    "names": {"conditions": [Condition("name", "in", ("image 7", "image 8"))]},
    "owner": {"conditions": [Condition("owner", "eq", "project 0")]},
    "status": {"conditions": [Condition("status", "eq", "active")]},
    "checksum": {"conditions": [Condition("checksum", "eq", CHECKSUM.format(7))]},
    "tag": {"tags": ["tag 7"]},
    "tag, next page": {"tags": ["tag 7"], "marker": MARKER},
    "property": {"properties": {"os": "7"}},
    "public": {"visibility": "public"},
    "shared": {"visibility": "shared"},
}
OTHERS: Mapping[str, Callable[[SqlCatalog], object]] = {
    "one image": lambda catalog: catalog.get(MARKER, EVERYTHING),
    "usage": lambda catalog: catalog.usage("project 0"),
    "removals": lambda catalog: catalog.removals(),
    "removals of an image": lambda catalog: catalog.removals(MARKER),
    "expired leases": lambda catalog: catalog.expired(),
    "data in a store": lambda catalog: list(catalog.locations.in_store("fast", after="b")),
    "standings": lambda catalog: catalog.standings("fast", [MARKER]),
    "census": lambda catalog: take_census(catalog._database),
}
COUNTED = {"sqlite": "SELECT 1", "postgresql": "ANALYZE", "mysql": "ANALYZE TABLE images, image_locations, image_words"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN ", "mysql": "EXPLAIN "}


def scans(kind: str, row: sa.Row[tuple[object, ...]]) -> bool:
    """Whether a line of a plan reads a whole table of the catalog."""
    text = " ".join(map(str, row))
    if kind == "sqlite":
        return "SCAN image" in text and "USING" not in text
    if kind == "postgresql":
        return "Seq Scan on image" in text
    return row._mapping["type"] == "ALL" and str(row._mapping["table"]).startswith("image")


def whole_scans(catalog: SqlCatalog, call: Callable[[], object]) -> list[str]:
    """The lines of plans of what `call` asks that read a whole table."""
    return plans(catalog, call, scans)


def plans(
    catalog: SqlCatalog, call: Callable[[], object], chosen: Callable[[str, sa.Row[tuple[object, ...]]], bool]
) -> list[str]:
    """The chosen lines of plans of what `call` asks."""
    sent: list[tuple[str, Any]] = []

    def note(connection: sa.Connection, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    engine = catalog._database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    call()
    sa.event.remove(engine, "before_cursor_execute", note)
    assert sent

    def explained(connection: sa.Connection) -> list[str]:
        kind = connection.dialect.name
        if kind == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        rows = [row for text, given in sent for row in connection.exec_driver_sql(EXPLAIN[kind] + text, given)]
        return [str(row) for row in rows if chosen(kind, row)]

    return catalog._database.read(explained)


def test_every_statement_has_an_index(tables: str) -> None:
    with closing(SqlCatalog(tables)) as catalog:
        fill(catalog._database, range(ROWS), owners=10)
        catalog._database.change(lambda connection: connection.exec_driver_sql(COUNTED[connection.dialect.name]))
        calls = dict(OTHERS)
        for who, caller in CALLERS.items():
            for name, query in QUERIES.items():
                calls[f"{name} of {who}"] = partial(SqlCatalog.list, caller=caller, query=ImageQuery(25, **query))  # type: ignore[arg-type]  # by the test
        found = {name: whole_scans(catalog, partial(call, catalog)) for name, call in calls.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_sqlite_takes_the_index_that_has_fewest_images(tmp_path: Path) -> None:
    """It has no statistics: of two indexes it would take any, such as that of a status which all images have."""
    leads = {"status": "owner", "name": "name", "page": "owner", "checksum": "checksum"}
    with closing(SqlCatalog(f"sqlite:///{tmp_path}/catalog")) as catalog:
        for name, lead in leads.items():
            asked = partial(catalog.list, CALLERS["member"], ImageQuery(25, **QUERIES[name]))  # type: ignore[arg-type]  # by the test
            lines = "\n".join(plans(catalog, asked, lambda kind, row: "images_by_" in str(row)))
            assert f"images_by_{lead}" in lines, name
            assert "images_by_status" not in lines, name


def test_sqlite_begins_a_page_behind_its_marker(tmp_path: Path) -> None:
    """It does not walk through the pages before that one."""
    with closing(Database(f"sqlite:///{tmp_path}/catalog")) as database:
        upgrade(database, PARTS)
        fill(database, range(ROWS), owners=10)
        catalog = SqlCatalog(database)
        for tags, descending in itertools.product(([], ["tag 7"]), (True, False)):
            query = ImageQuery(25, marker=MARKER, tags=tags, order=[SortKey("created_at", descending)])
            bound = "created_at<?" if descending else "created_at>?"
            for who, caller in CALLERS.items():
                found = plans(catalog, partial(catalog.list, caller, query), lambda kind, row: "created_at" in str(row))
                assert bound in str(found), (tags, who, found)
