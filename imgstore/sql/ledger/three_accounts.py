"""Changes the three accounts of an entry by one statement, with the limits in its condition: all of them, or none.

It locks the rows in the order of `accounts` before it looks at them, so that nothing comes between the check and the
change, and two of them at once wait for each other instead of deadlocking.

    SQLite       has one writer at a time
    PostgreSQL   locks the rows sorted, and compares what they have once they are locked
    MariaDB      joins the three rows; a join that is written STRAIGHT_JOIN takes them in the order of its tables
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from imgstore.limits import Allowance
from imgstore.sql.ledger.charges import Charge, LedgerAccount

LARGEST = 2**60
"""Bytes of one object, and of a limit, that fit into a column with room to add."""
MOST = 2**31 - 1
"""Images and uploads that a column can count."""
_NO_LIMIT = 2**62

_NAMES = ("project", "there", "store")
"""The accounts of the project, of the project in the store, of the store."""
_KEYS = {
    "project": "{0}.owner = :owner AND {0}.store = ''",
    "there": "{0}.owner = :owner AND {0}.store = :place",
    "store": "{0}.owner = '' AND {0}.store = :place",
}
_COLUMNS = {"used_bytes": "used", "held_bytes": "held", "images": "images", "uploads": "uploads"}
"""Each with the field of a Charge."""


def change(
    connection: sa.Connection, changes: Sequence[tuple[LedgerAccount, Charge, Allowance]], headroom: int
) -> bool:
    """Changes the three accounts of one project in one store, given in the order of locks. False if one of them is not
    there, or if a limit forbids it: then nothing is changed."""
    there = changes[1][0]
    values: dict[str, object] = {"owner": there.owner, "place": there.store}
    for name, (_, wanted, allowance) in zip(_NAMES, changes, strict=True):
        values |= _values(name, wanted, most(wanted, allowance, headroom))
    return connection.execute(_STATEMENTS[connection.dialect.name], values).rowcount > 0


def most(wanted: Charge, allowance: Allowance, headroom: int) -> tuple[int | None, int | None, int | None]:
    """The most bytes, images and uploads that an account may have before a change; None: it may have any."""
    size = None if allowance.size is None else min(allowance.size, LARGEST) - headroom - wanted.taken
    return size, _most(wanted.images, allowance.images), _most(wanted.uploads, allowance.uploads)


def _most(wanted: int, limit: int | None) -> int | None:
    return None if limit is None or wanted <= 0 else min(limit, MOST) - wanted


def _values(name: str, wanted: Charge, most: tuple[int | None, int | None, int | None]) -> Mapping[str, int]:
    limits = zip(("bytes", "images", "uploads"), most, (_NO_LIMIT, MOST, MOST), strict=True)
    values = {f"{name}_most_{what}": none if limit is None else limit for what, limit, none in limits}
    return values | {f"{name}_{field}": getattr(wanted, field) for field in _COLUMNS.values()}


def _fits(name: str, table: str) -> str:
    return (
        f"{_KEYS[name].format(table)} AND {table}.used_bytes + {table}.held_bytes <= :{name}_most_bytes"
        f" AND {table}.images <= :{name}_most_images AND {table}.uploads <= :{name}_most_uploads"
    )


def _any(conditions: Iterable[str]) -> str:
    return "(" + " OR ".join(f"({each})" for each in conditions) + ")"


def _of_three(table: str) -> str:
    return _any(_KEYS[name].format(table) for name in _NAMES)


def _all_fit(table: str) -> str:
    """Of the rows in `table`."""
    return " ".join(("(SELECT COUNT(*) FROM", table, "AS b WHERE", _any(_fits(name, "b") for name in _NAMES), ") = 3"))


def _sums() -> str:
    case = "CASE WHEN a.owner = '' THEN :store_{0} WHEN a.store = '' THEN :project_{0} ELSE :there_{0} END"
    return ", ".join(f"{column} = a.{column} + {case.format(field)}" for column, field in _COLUMNS.items())


_SQLITE = ("UPDATE quota_accounts AS a SET", _sums(), "WHERE", _of_three("a"), "AND", _all_fit("quota_accounts"))
_POSTGRESQL = (
    "WITH locked AS MATERIALIZED (SELECT c.* FROM quota_accounts AS c WHERE", _of_three("c"),
    "ORDER BY c.owner = '', c.store <> '' FOR NO KEY UPDATE)",
    "UPDATE quota_accounts AS a SET", _sums(), "FROM locked",
    "WHERE a.owner = locked.owner AND a.store = locked.store AND", _all_fit("locked"),
)  # fmt: skip
_MARIADB = (
    "UPDATE", " STRAIGHT_JOIN ".join(f"quota_accounts AS {name}" for name in _NAMES), "SET",
    ", ".join(f"{name}.{column} = {name}.{column} + :{name}_{field}"
              for name in _NAMES for column, field in _COLUMNS.items()),
    "WHERE", " AND ".join(_fits(name, name) for name in _NAMES),
)  # fmt: skip


def _prepared(parts: Sequence[str]) -> sa.TextClause:
    """With the types of its parameters, which PostgreSQL is told."""
    statement = " ".join(parts)
    names = set(re.findall(r":(\w+)", statement)) - {"owner", "place"}
    texts = [sa.bindparam(name, type_=sa.String) for name in ("owner", "place")]
    return sa.text(statement).bindparams(*texts, *(sa.bindparam(name, type_=sa.BigInteger) for name in sorted(names)))


_STATEMENTS = {"sqlite": _prepared(_SQLITE), "postgresql": _prepared(_POSTGRESQL), "mysql": _prepared(_MARIADB)}
