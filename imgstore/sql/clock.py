"""The database's own clock, in each database's words: by it alone leases are given and found to have run out.

So it does not matter whether the clocks of the machines agree: no time that one machine made is compared with that of
another. A statement that waits for a lock has the time of its begin (or later), which never makes a lease run out
early.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Now(FunctionElement[int]):
    """Milliseconds since the epoch: a whole number, which no time zone and no change of the clocks in spring moves."""

    inherit_cache = True
    name = "now_in_milliseconds"
    type = sa.BigInteger()


@compiles(Now)
def _sqlite(element: Now, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(Now, "postgresql")
def _postgresql(element: Now, compiler: SQLCompiler, **options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(Now, "mysql")
def _mysql(element: Now, compiler: SQLCompiler, **options: Any) -> str:
    return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)"
