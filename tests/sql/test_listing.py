"""Lists are the same on every kind of database: what a tag or a property matches, and how values are in order."""

from __future__ import annotations

import pytest

from imgstore.sql import SORT_KEYS, Condition, ImageQuery, SortKey, SqlCatalog
from tests.sql.conftest import OWNER, active_image, queued_image

STRINGS = ["a", "A", "\u00e4", "a b", 'say "hi"', "back\\slash", "100%", "_", "{}", "\U0001f4bf", "[1]", "null"]
NAMES = ["b", "B", "a", "\u00e9", "z", "a-b", "ab", "\U0001f4bf"]


def ids(catalog: SqlCatalog, **query: object) -> list[str]:
    return [image.id for image in catalog.list(OWNER, ImageQuery(limit=100, **query))]  # type: ignore[arg-type]  # by test


def test_tag_is_matched_whole_and_with_case(catalog: SqlCatalog) -> None:
    tagged = {tag: queued_image(catalog, tags=(tag, "common")) for tag in STRINGS}
    for tag, image_id in tagged.items():
        assert ids(catalog, tags=[tag]) == [image_id], tag
        assert ids(catalog, tags=[tag, "common"]) == [image_id], tag
    assert ids(catalog, tags=["comm"]) == []
    assert len(ids(catalog, tags=["common"])) == len(STRINGS)


def test_list_ends_at_the_image_at_which_there_is_too_much(catalog: SqlCatalog) -> None:
    made = [queued_image(catalog, properties={"p": "x" * 1000}, tags=("t" * 200,)) for _ in range(4)]
    order = [SortKey("created_at", descending=False)]
    for most, expected in ((1, 2), (1100, 2), (2000, 2), (2600, 3), (4700, 4), (9999, 4)):
        assert ids(catalog, order=order, most=most) == made[:expected], most


def test_property_is_matched_by_name_and_value(catalog: SqlCatalog) -> None:
    having = {text: queued_image(catalog, properties={text: f"of {text}", "common": text}) for text in STRINGS}
    for text, image_id in having.items():
        assert ids(catalog, properties={text: f"of {text}"}) == [image_id], text
        assert ids(catalog, properties={"common": text}) == [image_id], text
        assert ids(catalog, properties={text: text}) == [], text


def test_name_is_compared_by_code_points(catalog: SqlCatalog) -> None:
    named = {name: queued_image(catalog, name=name) for name in NAMES}
    for name, image_id in named.items():
        assert ids(catalog, conditions=[Condition("name", "eq", name)]) == [image_id]
    assert ids(catalog, order=[SortKey("name", descending=False)]) == [named[name] for name in sorted(NAMES)]


@pytest.mark.parametrize("descending", [False, True])
def test_pages_by_every_key_have_each_image_once(catalog: SqlCatalog, descending: bool) -> None:
    everything = {queued_image(catalog, name=name) for name in (None, "x", "y")} | {active_image(catalog, 7)}
    for column in SORT_KEYS:
        order = [SortKey(column, descending)]
        whole = ids(catalog, order=order)
        assert set(whole) == everything, column
        pages: list[str] = []
        for _ in everything:
            marker = pages[-1] if pages else None
            pages += [image.id for image in catalog.list(OWNER, ImageQuery(limit=1, marker=marker, order=order))]
        assert pages == whole, column


def test_moments_are_kept_to_the_microsecond(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog)
    moment = catalog.get(image_id, OWNER).created_at
    for operator, found in (("eq", [image_id]), ("gt", []), ("gte", [image_id]), ("lt", [])):
        assert ids(catalog, conditions=[Condition("created_at", operator, moment)]) == found


def test_filters_with_several_values(catalog: SqlCatalog) -> None:
    queued, active = queued_image(catalog), active_image(catalog)
    assert ids(catalog, conditions=[Condition("status", "in", ("active", "killed"))]) == [active]
    assert ids(catalog, conditions=[Condition("size", "gte", 5)]) == [active]
    assert set(ids(catalog, conditions=[Condition("status", "neq", "saving")])) == {queued, active}
