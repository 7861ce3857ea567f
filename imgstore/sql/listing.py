"""Builds the SQL of a list: filters, sort keys, pages.

A page begins behind its marker by the values of the sort keys. So an image that stays where it is appears exactly once,
while others come and go. Names and types are valid when they come here.

No index has what a caller may see: own images, public ones, shared ones. Each of these is read by itself, by an index
of its own that is in the order of age, and only as far as the page goes; the page is the first of all of them. A tag or
a property is found by its word (`imgstore.sql.words`), in the same order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import words
from imgstore.sql.json_columns import DictionaryHas, ListHas
from imgstore.sql.records import SHARED, Caller, ImageRecord
from imgstore.sql.schema import IMAGES, MEMBERS, WORDS

ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "neq": operator.ne, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
_NUMBERS = frozenset({"size"})
_RARE = ("name", "checksum")
"""Columns with an index, of whose values each is in few images."""
_INDEXED = frozenset({*_RARE, "owner", "status", "visibility"})
Columns: TypeAlias = Mapping[str, sa.ColumnElement[Any]]
"""Columns of another table that have the same values, by name."""


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
    with the image, but not the first, at which properties and tags have more characters. Raises UsageError."""

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

    def __post_init__(self) -> None:
        if self.limit < 0 or not self.order:
            raise errors.UsageError("A list has a limit of 0 images or more, and a key of its order.")


def fitting(connection: sa.Connection, found: sa.Select[Any], most: int) -> sa.Select[Any]:
    """`found` up to the image, but not the first, at which properties and tags pass `most`: no others are read."""
    sizes = (sa.func.length(sa.cast(IMAGES.c[name], sa.Text)) for name in ("properties", "tags"))
    total, number = 0, 0
    for size in connection.execute(found.with_only_columns(sum(sizes, start=sa.literal(0)))).scalars():
        total, number = total + size, number + 1
        if total > most and number > 1:
            return found.limit(number)
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in which the caller sees an image that is listed: all images, those with a `value` in a column, or, by
    `members`, those that are shared with the caller. `more` holds of them, too."""

    column: str = ""
    value: str = ""
    members: sa.Select[Any] | None = None
    more: sa.ColumnElement[bool] = field(default_factory=sa.true)


def select(query: ImageQuery, caller: Caller, *, marker: ImageRecord | None) -> sa.Select[Any]:
    """The statement; `marker` is the image that `query.marker` names."""
    keys = _total_order(query.order)
    pages = [(way, _page(way, query, keys, marker)) for way in _ways(caller, query)]
    if len(pages) == 1:
        return pages[0][1]
    each = (page.with_only_columns(IMAGES.c.id).subquery() for _, page in pages)
    page = sa.union(*(sa.select(way.c.id) for way in each)).subquery()
    return sa.select(IMAGES).join(page, page.c.id == IMAGES.c.id).order_by(*_ordered(keys, {})).limit(query.limit)


def _page(way: _Way, query: ImageQuery, keys: Sequence[SortKey], marker: ImageRecord | None) -> sa.Select[Any]:
    found = sa.select(IMAGES)
    columns: Columns = {}
    word = None if way.members is not None else next(_words(query, way), None)
    if word is not None:
        same = (WORDS.c.image_id == IMAGES.c.id, WORDS.c.created_at == IMAGES.c.created_at)
        found = found.join(WORDS, sa.and_(*same)).where(WORDS.c.word == word)
        columns = {"created_at": WORDS.c.created_at, "id": WORDS.c.image_id}
    if marker is not None:
        found = found.where(_behind(keys, marker, columns))
    lead = "" if word is not None else _lead(query, way)
    return found.where(*_filters(query, way, lead)).order_by(*_ordered(keys, columns)).limit(query.limit)


def _lead(query: ImageQuery, way: _Way) -> str:
    """The column by whose index the images are found. The others are compared only: SQLite has no statistics, and each
    of the others may have one value in all images."""
    if way.members is not None:
        return ""
    given = [condition.column for condition in query.conditions if condition.operator in ("eq", "in")]
    return next((name for name in (*_RARE, way.column, "owner", "status") if name and name in (*given, way.column)), "")


def _filters(query: ImageQuery, way: _Way, lead: str) -> Iterator[sa.ColumnElement[bool]]:
    yield IMAGES.c.deleted_at.is_(None)
    yield way.more
    if way.column:
        yield _column(way.column, lead) == way.value
    if way.members is not None:
        yield IMAGES.c.id.in_(way.members)
    if query.hidden is not None:
        yield IMAGES.c.os_hidden == query.hidden
    for condition in query.conditions:
        yield _holds(condition, lead)
    for tag in query.tags:
        yield ListHas(IMAGES.c.tags, sa.literal(tag, sa.Text))
    for name, value in query.properties.items():
        yield DictionaryHas(IMAGES.c.properties, sa.literal(name, sa.Text), sa.literal(value, sa.Text))


def _words(query: ImageQuery, way: _Way) -> Iterator[int]:
    scope = (way.column, way.value)
    yield from (words.of_tag(tag, scope) for tag in query.tags)
    yield from (words.of_property(*each, scope) for each in query.properties.items())


def _ways(caller: Caller, query: ImageQuery) -> list[_Way]:
    """Community images of others are listed only if the query asks for them, by `community` or `all`."""
    visibility, owner = query.visibility, caller.project_id or ""
    members = _shared_with(caller, query.member_status)
    public, community, is_shared = _Way("visibility", "public"), _Way("visibility", "community"), _is(SHARED)
    shared = _Way(members=members, more=is_shared)
    if caller.is_admin and visibility is None:
        theirs = sa.and_(is_shared, IMAGES.c.id.in_(members))
        return [_Way(more=sa.or_(_column("owner") == owner, theirs, sa.not_(_is("community"))))]
    if caller.is_admin:
        return [_Way() if visibility == "all" else _Way("visibility", visibility or "")]
    if visibility in (None, "all"):
        return [_Way("owner", owner), public, *([community] if visibility else []), shared]
    if visibility in ("public", "community"):
        return [_Way("visibility", visibility)]
    mine = _Way("owner", owner, more=_is(visibility or ""))
    return [mine, shared] if visibility == SHARED else [mine]


def _is(visibility: str) -> sa.ColumnElement[bool]:
    return _column("visibility") == visibility


def _shared_with(caller: Caller, status: str) -> sa.Select[Any]:
    member = sa.select(MEMBERS.c.image_id).where(MEMBERS.c.member == caller.project_id)
    return member if status == "all" else member.where(MEMBERS.c.status == status)


def _column(name: str, lead: str = "") -> sa.ColumnElement[Any]:
    """A column, by whose index images are found only if it is the `lead`."""
    column = IMAGES.c[name]
    return sa.func.coalesce(column, "") if name in _INDEXED and name != lead else column


def _holds(condition: Condition, lead: str) -> sa.ColumnElement[bool]:
    if condition.operator == "in":
        return _column(condition.column, lead).in_(condition.value)
    is_equal = condition.operator == "eq"
    column = _column(condition.column, lead) if is_equal else IMAGES.c[condition.column]
    result: sa.ColumnElement[bool] = ORDERS[condition.operator](column, condition.value)
    return result


def _total_order(order: Sequence[SortKey]) -> list[SortKey]:
    """The keys of the query, then age and identifier, so that no two images are equal."""
    keys = list(order)
    for column in ("created_at", "id"):
        if column not in {key.column for key in keys}:
            keys.append(SortKey(column, keys[-1].descending))
    return keys


def _ordered(keys: Sequence[SortKey], columns: Columns) -> Iterator[sa.ColumnElement[Any]]:
    for key in keys:
        sortable = _sortable(key, columns)
        yield sortable.desc() if key.descending else sortable.asc()


def _sortable(key: SortKey, columns: Columns) -> sa.ColumnElement[Any]:
    column = columns.get(key.column, IMAGES.c[key.column])
    return sa.func.coalesce(column, _least(key.column)) if IMAGES.c[key.column].nullable else column


def _least(column: str) -> str | int:
    return -1 if column in _NUMBERS else ""


def _behind(keys: Sequence[SortKey], marker: ImageRecord, columns: Columns) -> sa.ColumnElement[bool]:
    """Whether an image equals the marker in some first keys, and is behind it in the next one. No database sees by
    itself that such an image is never before the marker in the first key: told so, it begins there in the index."""
    ways = []
    for place, key in enumerate(keys):
        same = [_sortable(earlier, columns) == _value(marker, earlier) for earlier in keys[:place]]
        column, value = _sortable(key, columns), _value(marker, key)
        after = column < value if key.descending else column > value
        ways.append(sa.and_(*same, after))
    first, value = _sortable(keys[0], columns), _value(marker, keys[0])
    return sa.and_(first <= value if keys[0].descending else first >= value, sa.or_(*ways))


def _value(marker: ImageRecord, key: SortKey) -> sa.ColumnElement[Any]:
    value = getattr(marker, key.column)
    if value is None:
        value = _least(key.column)
    return sa.literal(value, IMAGES.c[key.column].type)
