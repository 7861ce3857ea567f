"""The types of columns, with which all kinds of databases keep and compare the same values in the same way.

Text is compared by code points: case counts, no locale sorts, and no upgrade of the system's locales breaks an index.
Moments have microseconds. Tables are InnoDB's and hold all of Unicode, whatever the server presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

TABLE: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""The options of every table."""

MOMENT: sa.types.TypeEngine[Any] = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
"""A point in time, UTC, without a zone."""

DOCUMENT: sa.types.TypeEngine[Any] = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
"""Lists and dictionaries of strings."""

NAMES: sa.types.TypeEngine[Any] = sa.Text().with_variant(sa.String(255), "sqlite")
"""Any number of names, separated by commas. SQLite does not enforce the length, and cannot change a type."""


def text(length: int) -> sa.types.TypeEngine[Any]:
    """A string of at most `length` characters."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
