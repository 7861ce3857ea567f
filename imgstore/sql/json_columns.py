"""Looks into JSON columns in each database's own SQL. Values are compared as a whole and with case, not as patterns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _JsonTest(FunctionElement[bool]):
    type = sa.Boolean()
    SQL: ClassVar[Mapping[str, str]]
    """For each dialect; the arguments are filled in."""


class ListHas(_JsonTest):
    """Whether a JSON list has a string: ListHas(column, string)."""

    name, inherit_cache = "list_has", True
    SQL: ClassVar = {
        "sqlite": "EXISTS (SELECT 1 FROM json_each({0}) AS each WHERE each.value = {1})",
        "postgresql": "({0} @> jsonb_build_array(CAST({1} AS TEXT)))",
        "mysql": "JSON_CONTAINS({0}, JSON_ARRAY({1}))",
    }


class DictionaryHas(_JsonTest):
    """Whether a JSON dictionary has a string under a key: DictionaryHas(column, key, string)."""

    name, inherit_cache = "dictionary_has", True
    SQL: ClassVar = {
        "sqlite": "EXISTS (SELECT 1 FROM json_each({0}) AS each WHERE each.key = {1} AND each.value = {2})",
        "postgresql": "({0} @> jsonb_build_object(CAST({1} AS TEXT), CAST({2} AS TEXT)))",
        "mysql": "JSON_CONTAINS({0}, JSON_OBJECT({1}, {2}))",
    }


@compiles(_JsonTest)
def _compiled(element: _JsonTest, compiler: SQLCompiler, **options: Any) -> str:
    return element.SQL[compiler.dialect.name].format(*(compiler.process(part, **options) for part in element.clauses))
