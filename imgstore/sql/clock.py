"""The database's own clock. Leases are granted and found expired by it alone.

So the clocks of the machines need not agree: no time of one machine is compared with that of another. If a statement
waits for a lock, its time is that of its beginning or later, so no lease runs out early.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_SQL = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
}


class Now(FunctionElement[int]):
    """Milliseconds since the epoch: a whole number, so no time zone and no daylight saving moves it."""

    inherit_cache = True
    name = "now_in_milliseconds"
    type = sa.BigInteger()


@compiles(Now)
def _compiled(element: Now, compiler: SQLCompiler, **options: Any) -> str:
    return _SQL[compiler.dialect.name]
