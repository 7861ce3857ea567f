"""The query string of `GET /v2/images`: limit, marker, filters and sort keys, read as the Image API writes them.

Any other parameter is an additional property that images must have. A value that cannot be a filter (a size that is no
number, an unknown operator) is refused with 400, never ignored.
"""

from __future__ import annotations

import datetime
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgstore import errors
from imgstore.http.requests import shown
from imgstore.service.api.attributes import LARGEST_MINIMUM, VISIBILITIES, storable
from imgstore.sql import MEMBER_STATUSES, ORDERS, SORT_KEYS, Condition, ImageQuery, SortKey

DEFAULT_LIMIT = 25
LARGEST_LIMIT = 1000
MOST_PARAMETERS = 100
MOST_ITEMS = 1000

LISTS = ("id", "name", "status", "container_format", "disk_format")
TEXTS = ("owner", "checksum", "os_hash_algo", "os_hash_value")
MINIMA = ("min_disk", "min_ram")
NUMBERS = ("size", "virtual_size", *MINIMA)
LARGEST_NUMBER = 10**18 - 1
TIMES = ("created_at", "updated_at")
LISTED_STATUSES = (*MEMBER_STATUSES, "all")
REPEATABLE = frozenset({"tag", "sort_key", "sort_dir"})
GONE = frozenset({"changes-since"})

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-?\d\d-?\d\d)(?:[T ](\d\d:?\d\d(?::?\d\d)?)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",]*)')


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list that a client asks for, with the links to its first page and to the page after an image."""

    query: ImageQuery
    parameters: Sequence[tuple[str, str]]

    @property
    def first(self) -> str:
        """The path and query of the first page."""
        return _path([pair for pair in self.parameters if pair[0] != "marker"])

    def behind(self, image_id: str) -> str:
        """The path and query of the page after an image."""
        return _path([*(pair for pair in self.parameters if pair[0] != "marker"), ("marker", image_id)])


def read(query_string: str) -> ListRequest:
    """What a query string asks for. Raises InvalidRequest."""
    pairs = _pairs(query_string)
    given = dict(pairs)
    conditions = [_condition(name, value) for name, value in pairs if name in _CONDITIONS]
    query = ImageQuery(
        limit=_limit(given.get("limit")),
        marker=given["marker"].lower() if "marker" in given else None,
        visibility=_visibility(given.get("visibility")),
        conditions=conditions,
        tags=[value.strip() for name, value in pairs if name == "tag"],
        properties={name: value for name, value in pairs if name not in KNOWN},
        hidden=_boolean("os_hidden", given.get("os_hidden", "false")),
        order=_order(pairs),
        member_status=_member_status(given.get("member_status", "accepted")),
    )
    return ListRequest(query, pairs)


def _pairs(query_string: str) -> list[tuple[str, str]]:
    try:
        pairs = urllib.parse.parse_qsl(
            query_string, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except UnicodeDecodeError as error:
        raise errors.InvalidRequest("The parameters are not UTF-8.") from error
    except ValueError as error:
        raise errors.InvalidRequest(f"A list takes at most {MOST_PARAMETERS} parameters.") from error
    seen: set[str] = set()
    for name, value in pairs:
        if not (storable(name) and storable(value)):
            raise errors.InvalidRequest(f"The parameter {shown(name)} has a character that no text of an image has.")
        if name in GONE or not name:
            raise errors.InvalidRequest(f"The parameter {shown(name)} is not supported.")
        if name in seen - REPEATABLE:
            raise errors.InvalidRequest(f"The parameter {shown(name)} is given twice.")
        seen.add(name)
    return pairs


def _limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    return min(_number("limit", value), LARGEST_LIMIT)


def _number(name: str, value: str) -> int:
    """A number that the column can have: not every database compares it with another one."""
    largest = LARGEST_MINIMUM if name.startswith(MINIMA) else LARGEST_NUMBER
    if _NUMBER.fullmatch(value) is None or int(value) > largest:
        raise errors.InvalidRequest(f"{name} must be a number from 0 to {largest}, not {shown(value)}.")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise errors.InvalidRequest(f"{name} must be true or false, not {shown(value)}.")
    return value.lower() == "true"


def _visibility(value: str | None) -> str | None:
    if value is not None and value not in (*VISIBILITIES, "all"):
        raise errors.InvalidRequest(f"visibility must be one of {', '.join(VISIBILITIES)}, all, not {shown(value)}.")
    return value


def _member_status(value: str) -> str:
    if value not in LISTED_STATUSES:
        raise errors.InvalidRequest(f"member_status must be one of {', '.join(LISTED_STATUSES)}, not {shown(value)}.")
    return value


def _condition(name: str, value: str) -> Condition:
    column, operator, read_value = _CONDITIONS[name]
    return Condition(column, operator, read_value(name, value)) if operator else _with_operator(name, value)


def _with_operator(name: str, value: str) -> Condition:
    """`in:a,b`, `eq:a` or `a` for a text; `gte:2026-01-31T10:00:00Z`, or without an operator, for a time."""
    if name == "id":
        value = value.lower()
    operator, colon, rest = value.partition(":")
    if name in TIMES:
        if _TIME.fullmatch(value) or not colon:
            operator, rest = "eq", value
        if operator not in ORDERS:
            raise _unknown_operator(name, operator)
        return Condition(name, operator, _time(name, rest))
    if not colon:
        return Condition(name, "eq", value)
    if operator == "in":
        return Condition(name, "in", _items(name, rest))
    if operator != "eq":
        raise _unknown_operator(name, operator)
    return Condition(name, "eq", rest)


def _unknown_operator(name: str, operator: str) -> errors.InvalidRequest:
    return errors.InvalidRequest(f"Unable to filter {name} by the unknown operator {shown(operator)}.")


def _items(name: str, text: str) -> list[str]:
    """Values between commas; a value with a comma is in double quotes, with \\ before a quote in it."""
    items: list[str] = []
    place = 0
    while place <= len(text):
        match = _ITEM.match(text, place)
        if match is None or text[match.end() : match.end() + 1] not in ("", ","):
            raise errors.InvalidRequest(f"The quotes in the values of {name} do not pair up.")
        if len(items) == MOST_ITEMS:
            raise errors.InvalidRequest(f"{name} takes at most {MOST_ITEMS} values.")
        items.append(match[2] if match[1] is None else re.sub(r"\\(.)", r"\1", match[1]))
        place = match.end() + 1
    return items


def _time(name: str, text: str) -> datetime.datetime:
    """UTC without a zone, as the catalog has it."""
    # A '+' that the client did not escape arrived as a blank.
    match = _TIME.fullmatch(re.sub(r" (?=\d\d(:?\d\d)?$)", "+", text) if "T" in text else text)
    try:
        if match is None:
            raise ValueError
        return _moment(*match.groups())
    except (ValueError, OverflowError) as error:
        raise errors.InvalidRequest(f"{name} must be a time in ISO 8601, not {shown(text)}.") from error


def _moment(day: str, clock: str | None, fraction: str | None, zone: str | None) -> datetime.datetime:
    digits = (day + (clock or "")).replace("-", "").replace(":", "").ljust(14, "0")
    moment = datetime.datetime.strptime(digits, "%Y%m%d%H%M%S")
    moment = moment.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))
    if zone is None or zone == "Z":
        return moment
    sign, numbers = zone[0], zone[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(numbers[:2]), minutes=int(numbers[2:]))
    return moment - offset if sign == "+" else moment + offset


def _order(pairs: Sequence[tuple[str, str]]) -> list[SortKey]:
    """`sort=name:asc,size`, or `sort_key` and `sort_dir`, one direction for all keys or one for each."""
    new = [value for name, value in pairs if name == "sort"]
    keys = [value.strip() for name, value in pairs if name == "sort_key"]
    directions = [value.strip() for name, value in pairs if name == "sort_dir"]
    if new:
        if keys or directions:
            raise errors.InvalidRequest("sort cannot be combined with sort_key and sort_dir.")
        parts = [part.partition(":") for part in new[0].split(",")]
        return _sort_keys([part[0].strip() for part in parts], [part[2].strip() or "desc" for part in parts])
    keys, directions = keys or ["created_at"], directions or ["desc"]
    if len(directions) == 1:
        directions *= len(keys)
    if len(directions) != len(keys):
        raise errors.InvalidRequest("Give one sort_dir for all sort keys, or one for each.")
    return _sort_keys(keys, directions)


def _sort_keys(keys: Sequence[str], directions: Sequence[str]) -> list[SortKey]:
    for key in keys:
        if key not in SORT_KEYS or keys.count(key) > 1:
            raise errors.InvalidRequest(f"Sort keys are {', '.join(SORT_KEYS)}, each once, not {shown(key)}.")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise errors.InvalidRequest(f"A sort direction is asc or desc, not {shown(direction)}.")
    return [SortKey(key, direction == "desc") for key, direction in zip(keys, directions, strict=True)]


def _path(pairs: Sequence[tuple[str, str]]) -> str:
    return "/v2/images" + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


def _same(name: str, value: str) -> str:
    return value


_CONDITIONS: Mapping[str, tuple[str, str, Any]] = {
    **{name: (name, "", None) for name in (*LISTS, *TIMES)},
    **{name: (name, "eq", _same) for name in TEXTS},
    **{name: (name, "eq", _number) for name in NUMBERS},
    **{f"{name}_min": (name, "gte", _number) for name in NUMBERS},
    **{f"{name}_max": (name, "lte", _number) for name in NUMBERS},
    "protected": ("protected", "eq", _boolean),
}
"""Column, operator and reader of a value by parameter; without an operator the value names it."""

KNOWN = frozenset(_CONDITIONS) | REPEATABLE | {"limit", "marker", "visibility", "os_hidden", "member_status", "sort"}
