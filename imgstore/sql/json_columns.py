"""Looking into JSON columns, in the words of each database: compared as a whole and with case, never by a pattern."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class ListHas(FunctionElement[bool]):
    """Whether a JSON list has a string: ListHas(column, string)."""

    inherit_cache = True
    name = "list_has"
    type = sa.Boolean()


class DictionaryHas(FunctionElement[bool]):
    """Whether a JSON dictionary has a string under a key: DictionaryHas(column, key, string)."""

    inherit_cache = True
    name = "dictionary_has"
    type = sa.Boolean()


@compiles(ListHas)
def _list_sqlite(element: ListHas, compiler: SQLCompiler, **options: Any) -> str:
    column, value = _parts(element, compiler, options)
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS each WHERE each.value = {value})"  # noqa: S608 - of placeholders


@compiles(ListHas, "postgresql")
def _list_postgresql(element: ListHas, compiler: SQLCompiler, **options: Any) -> str:
    column, value = _parts(element, compiler, options)
    return f"({column} @> jsonb_build_array(CAST({value} AS TEXT)))"


@compiles(ListHas, "mysql")
def _list_mysql(element: ListHas, compiler: SQLCompiler, **options: Any) -> str:
    column, value = _parts(element, compiler, options)
    return f"JSON_CONTAINS({column}, JSON_ARRAY({value}))"


@compiles(DictionaryHas)
def _dictionary_sqlite(element: DictionaryHas, compiler: SQLCompiler, **options: Any) -> str:
    column, key, value = _parts(element, compiler, options)
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS each WHERE each.key = {key} AND each.value = {value})"  # noqa: S608 - of placeholders


@compiles(DictionaryHas, "postgresql")
def _dictionary_postgresql(element: DictionaryHas, compiler: SQLCompiler, **options: Any) -> str:
    column, key, value = _parts(element, compiler, options)
    return f"({column} @> jsonb_build_object(CAST({key} AS TEXT), CAST({value} AS TEXT)))"


@compiles(DictionaryHas, "mysql")
def _dictionary_mysql(element: DictionaryHas, compiler: SQLCompiler, **options: Any) -> str:
    column, key, value = _parts(element, compiler, options)
    return f"JSON_CONTAINS({column}, JSON_OBJECT({key}, {value}))"


def _parts(element: FunctionElement[bool], compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(part, **options) for part in element.clauses]
