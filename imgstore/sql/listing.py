"""Builds the SQL of a list: filters, sort keys, pages.

A page begins behind its marker by the values of the sort keys. So an image that stays where it is appears exactly once,
while others come and go. Names and types are valid when they come here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from imgstore.sql.json_columns import DictionaryHas, ListHas
from imgstore.sql.records import SHARED, Caller, ImageRecord
from imgstore.sql.schema import IMAGES, MEMBERS

ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "neq": operator.ne, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
_NUMBERS = frozenset({"size"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A column of an image, an operator (one of ORDERS, or `in` for a sequence of values), and what to compare with:
    a value of the column's type, or a sequence of them."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class SortKey:
    """One of SORT_KEYS and its direction. In ascending order images without a value come first."""

    column: str
    descending: bool = True


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """What to list; all conditions must hold. `visibility` None: the caller's own images and public ones; `all`:
    whatever the caller may see; another: only images of that visibility. Of the images that others share with the
    caller those with this `member_status` (`all`: any). `marker`: only images behind that one. `most`: the list ends
    with the image, but not the first, at which properties and tags have more characters."""

    limit: int
    marker: str | None = None
    visibility: str | None = None
    conditions: Sequence[Condition] = ()
    tags: Sequence[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    hidden: bool | None = False
    member_status: str = "accepted"
    order: Sequence[SortKey] = (SortKey("created_at"),)
    most: int | None = None


def fitting(connection: sa.Connection, found: sa.Select[Any], most: int) -> sa.Select[Any]:
    """`found` up to the image, but not the first, at which properties and tags pass `most`: no others are read."""
    sizes = (sa.func.length(sa.cast(IMAGES.c[name], sa.Text)) for name in ("properties", "tags"))
    total, number = 0, 0
    for size in connection.execute(found.with_only_columns(sum(sizes, start=sa.literal(0)))).scalars():
        total, number = total + size, number + 1
        if total > most and number > 1:
            return found.limit(number)
    return found


def select(query: ImageQuery, caller: Caller, *, marker: ImageRecord | None) -> sa.Select[Any]:
    """The statement; `marker` is the image that `query.marker` names."""
    keys = _total_order(query.order)
    found = sa.select(IMAGES).where(IMAGES.c.deleted_at.is_(None), _listed(caller, query))
    if query.hidden is not None:
        found = found.where(IMAGES.c.os_hidden == query.hidden)
    found = found.where(*(_holds(condition) for condition in query.conditions))
    found = found.where(*(ListHas(IMAGES.c.tags, sa.literal(tag, sa.Text)) for tag in query.tags))
    for name, value in query.properties.items():
        found = found.where(DictionaryHas(IMAGES.c.properties, sa.literal(name, sa.Text), sa.literal(value, sa.Text)))
    if marker is not None:
        found = found.where(_behind(keys, marker))
    ordered = (_sortable(key).desc() if key.descending else _sortable(key).asc() for key in keys)
    return found.order_by(*ordered).limit(query.limit)


def _listed(caller: Caller, query: ImageQuery) -> sa.ColumnElement[bool]:
    """Community images of others are listed only if the query asks for them, by `community` or `all`."""
    column, visibility = IMAGES.c.visibility, query.visibility
    mine = sa.or_(IMAGES.c.owner == caller.project_id, _shared_with(caller, query.member_status))
    if visibility is None:
        return sa.or_(mine, column != "community") if caller.is_admin else sa.or_(mine, column == "public")
    seen: sa.ColumnElement[bool] = sa.true() if caller.is_admin else sa.or_(mine, column.in_(("public", "community")))
    return seen if visibility == "all" else sa.and_(seen, column == visibility)


def _shared_with(caller: Caller, status: str) -> sa.ColumnElement[bool]:
    member = sa.exists().where(MEMBERS.c.image_id == IMAGES.c.id, MEMBERS.c.member == caller.project_id)
    if status != "all":
        member = member.where(MEMBERS.c.status == status)
    return sa.and_(IMAGES.c.visibility == SHARED, member)


def _holds(condition: Condition) -> sa.ColumnElement[bool]:
    column = IMAGES.c[condition.column]
    if condition.operator == "in":
        return column.in_(condition.value)
    result: sa.ColumnElement[bool] = ORDERS[condition.operator](column, condition.value)
    return result


def _total_order(order: Sequence[SortKey]) -> list[SortKey]:
    """The keys of the query, then age and identifier, so that no two images are equal."""
    keys = list(order)
    for column in ("created_at", "id"):
        if column not in {key.column for key in keys}:
            keys.append(SortKey(column, keys[-1].descending))
    return keys


def _sortable(key: SortKey) -> sa.ColumnElement[Any]:
    column = IMAGES.c[key.column]
    return sa.func.coalesce(column, _least(key.column)) if column.nullable else column


def _least(column: str) -> str | int:
    return -1 if column in _NUMBERS else ""


def _behind(keys: Sequence[SortKey], marker: ImageRecord) -> sa.ColumnElement[bool]:
    """Whether an image equals the marker in some first keys, and is behind it in the next one."""
    ways = []
    for place, key in enumerate(keys):
        same = [_sortable(earlier) == _value(marker, earlier) for earlier in keys[:place]]
        after = _sortable(key) < _value(marker, key) if key.descending else _sortable(key) > _value(marker, key)
        ways.append(sa.and_(*same, after))
    return sa.or_(*ways)


def _value(marker: ImageRecord, key: SortKey) -> sa.ColumnElement[Any]:
    value = getattr(marker, key.column)
    if value is None:
        value = _least(key.column)
    return sa.literal(value, IMAGES.c[key.column].type)
