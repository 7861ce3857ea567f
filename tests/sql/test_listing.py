"""Lists are the same on every kind of database: what a tag or a property matches, and how values are in order."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import SORT_KEYS, Caller, Condition, ImageQuery, NewImage, SortKey, SqlCatalog
from imgstore.sql.schema import WORDS
from tests.sql.conftest import OWNER, active_image, queued_image

STRINGS = ["a", "A", "\u00e4", "a b", 'say "hi"', "back\\slash", "100%", "_", "{}", "\U0001f4bf", "[1]", "null"]
NAMES = ["b", "B", "a", "\u00e9", "z", "a-b", "ab", "\U0001f4bf"]


def ids(catalog: SqlCatalog, **query: object) -> list[str]:
    return [image.id for image in catalog.list(OWNER, ImageQuery(limit=100, **query))]  # type: ignore[arg-type]  # by test


def test_list_that_cannot_be_is_refused() -> None:
    for limit, order in ((-1, [SortKey("name")]), (1, [])):
        with pytest.raises(errors.UsageError):
            ImageQuery(limit, order=order)


def test_tag_is_matched_whole_and_with_case(catalog: SqlCatalog) -> None:
    tagged = {tag: queued_image(catalog, tags=(tag, "common")) for tag in STRINGS}
    for tag, image_id in tagged.items():
        assert ids(catalog, tags=[tag]) == [image_id], tag
        assert ids(catalog, tags=[tag, "common"]) == [image_id], tag
    assert ids(catalog, tags=["comm"]) == []
    assert len(ids(catalog, tags=["common"])) == len(STRINGS)


def test_tags_and_properties_are_found_as_they_are_after_a_change(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog, tags=("old", "both"), properties={"a": "1", "both": "2"})

    def change(image: NewImage) -> NewImage:
        new = NewImage(*(getattr(image, each.name) for each in fields(NewImage)))
        return replace(new, tags=("both", "new"), properties={"b": "1", "both": "2"})

    catalog.update(image_id, OWNER, change)
    assert [ids(catalog, tags=[tag]) for tag in ("old", "both", "new")] == [[], [image_id], [image_id]]
    assert [ids(catalog, properties={name: "1"}) for name in ("a", "b")] == [[], [image_id]]
    assert ids(catalog, properties={"both": "2"}, tags=["new"]) == [image_id]
    catalog.delete(image_id, OWNER)
    left = catalog._database.read(lambda connection: connection.execute(sa.select(WORDS)).all())
    assert (left, ids(catalog, tags=["new"])) == ([], [])


def test_page_of_own_public_and_shared_images_has_each_once(catalog: SqlCatalog) -> None:
    project, other = Caller("project"), Caller("other")
    made = [queued_image(catalog, visibility=each) for each in ("private", "shared", "public", "community")]
    catalog.members.add(made[1], project, "other")
    catalog.members.answer(made[1], other, "other", "accepted")
    order = [SortKey("created_at", descending=False)]
    seen = {
        project: {None: made, "all": made, "shared": [made[1]], "private": [made[0]], "community": [made[3]]},
        other: {None: made[1:3], "all": made[1:], "shared": [made[1]], "private": [], "public": [made[2]]},
    }
    for caller, expected in seen.items():
        for visibility, images in expected.items():
            found = catalog.list(caller, ImageQuery(10, visibility=visibility, order=order))
            assert [image.id for image in found] == images, (caller, visibility)
            pages = [catalog.list(caller, ImageQuery(1, marker=marker, visibility=visibility, order=order))
                     for marker in (None, *images)]  # fmt: skip
            assert [image.id for page in pages for image in page] == images, (caller, visibility)


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
