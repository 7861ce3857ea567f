"""What a release says of itself: notes, changelog and version agree."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

import imgstore
from releasenotes.changelog import TITLES, changelog, notes, texts
from tests.support.lowest import constraints, lowest
from tests.test_extras import ROOT

NOTES = [note for found in notes().values() for note in found]


def test_the_changelog_is_made_from_the_notes() -> None:
    assert (ROOT / "CHANGELOG.md").read_text() == changelog(), "make changelog"


def test_the_newest_notes_are_of_this_version() -> None:
    assert next(iter(notes())) == imgstore.__version__


@pytest.mark.parametrize("note", NOTES, ids=lambda note: str(next(iter(note.values())))[:24])
def test_a_note_has_sections_of_reno_and_no_markup_that_only_one_of_both_has(note: Mapping[str, object]) -> None:
    assert note.keys() <= {*TITLES, "prelude"}
    for text in (text for section in note.values() for text in texts(section)):
        assert not re.search(r"\]\(|(?<!`)`(?!`)|\*\*``|``\*\*", text), text


def test_each_bound_that_users_get_is_a_lowest_version() -> None:
    assert "oslo.config==9.4" in constraints()
    assert list(lowest(["oslo.utils[image-inspection]>=10.1", "cheroot>=11.1,<11.2"])) == [
        "oslo.utils==10.1",
        "cheroot==11.1",
    ]
    with pytest.raises(ValueError, match="'types-requests' has no lower bound"):
        list(lowest(["types-requests"]))
