"""Members of shared images, on each kind of database."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import Caller, ImageQuery, NewImage, SqlCatalog
from imgstore.sql.members import MemberExists
from imgstore.sql.schema import MEMBERS
from tests.sql.conftest import OWNER, active_image, queued_image, request
from tests.support.client import new_id
from tests.support.race import together

MEMBER = Caller("member")


def listed(
    catalog: SqlCatalog, caller: Caller, *, visibility: str | None = None, member_status: str = "accepted"
) -> set[str]:
    query = ImageQuery(limit=10, visibility=visibility, member_status=member_status)
    return {image.id for image in catalog.list(caller, query)}


def test_members_on_every_database(catalog: SqlCatalog) -> None:
    image_id, other = active_image(catalog), queued_image(catalog)
    public = catalog.create(NewImage(new_id(), "other", visibility="public")).id
    catalog.members.add(image_id, OWNER, "member")
    catalog.members.add(image_id, OWNER, "Member")
    with pytest.raises(errors.ImageNotFound):
        catalog.get(other, MEMBER)
    assert (catalog.get(image_id, MEMBER).member, catalog.find(image_id, MEMBER).size) == ("member", 5)
    with pytest.raises(errors.Forbidden):
        catalog.begin(request(image_id, MEMBER), ["fast"])
    assert listed(catalog, MEMBER) == {public}
    assert catalog.members.answer(image_id, MEMBER, "member", "accepted").status == "accepted"
    assert listed(catalog, MEMBER) == listed(catalog, MEMBER, visibility="all") == {image_id, public}
    assert listed(catalog, MEMBER, visibility="shared") == {image_id}
    assert listed(catalog, MEMBER, visibility="shared", member_status="pending") == set()
    assert [each.status for each in catalog.members.list(image_id, OWNER)] == ["accepted", "pending"], "case counts"
    catalog.members.remove(image_id, OWNER, "Member")
    catalog.delete(image_id, OWNER)
    for caller in (OWNER, MEMBER):
        with pytest.raises(errors.ImageNotFound):
            catalog.members.list(image_id, caller)
    assert listed(catalog, MEMBER, member_status="all") == {public}
    assert catalog._database.read(lambda connection: connection.scalars(sa.select(MEMBERS.c.member)).all()) == []


def test_one_of_two_additions_at_once_wins(catalog: SqlCatalog, other: SqlCatalog) -> None:
    image_id = queued_image(catalog)
    adding = [partial(each.members.add, image_id, OWNER, "member") for each in (catalog, other) * 2]
    assert together(*adding).count(MemberExists) == 3
    assert [each.member for each in catalog.members.list(image_id, OWNER)] == ["member"]


def test_member_that_differs_in_a_blank_is_another_one_or_there_already(catalog: SqlCatalog) -> None:
    """For MariaDB both are one: no database that is away."""
    image_id = queued_image(catalog)
    catalog.members.add(image_id, OWNER, "member")
    with contextlib.suppress(MemberExists):
        catalog.members.add(image_id, OWNER, "member ")
    assert catalog.members.list(image_id, OWNER)[0].member == "member"
