"""The time by the database's clock, which is the one that all machines share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class DatabaseTime(FunctionElement[int]):
    """Whole seconds since the epoch, as the database has it when the statement runs."""

    inherit_cache = True
    name = "database_time"
    type = sa.BigInteger()


@compiles(DatabaseTime)
def _sqlite(element: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(strftime('%s', 'now') AS INTEGER)"


@compiles(DatabaseTime, "postgresql")
def _postgresql(element: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)"


@compiles(DatabaseTime, "mysql")
def _mysql(element: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return "UNIX_TIMESTAMP()"
