"""Members of shared images: projects that see an image of another one, each with what it says to that (its status).

The owner adds and removes members; a member accepts or rejects, which decides only in which lists the image is. Members
count while the visibility is `shared`. Every method is one transaction and decides inside it who may do it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from imgstore import errors
from imgstore.sql.database import Database
from imgstore.sql.queries import permitted, visible
from imgstore.sql.records import Caller, ImageRecord, now
from imgstore.sql.schema import MEMBERS

PENDING = "pending"
STATUSES = (PENDING, "accepted", "rejected")
MOST = 128


class NoSuchMember(errors.RequestError, status=404, code="member-not-found"):
    """The image does not have that member, or the caller may not see it."""


class MemberExists(errors.RequestError, status=409, code="member-exists"):
    """The project is a member of the image already."""


class TooManyMembers(errors.RequestError, status=413, code="too-many-members"):
    """The image has as many members as an image may have."""


@dataclass(frozen=True, slots=True)
class Member:
    """A project that may read an image. Times are UTC."""

    image_id: str
    member: str
    status: str
    created_at: datetime.datetime
    updated_at: datetime.datetime


class ImageMembers:
    """The members of the images of a catalog. All methods raise ImageNotFound, Forbidden (by policy; of an image that
    is not shared), CatalogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, image_id: str, caller: Caller) -> Sequence[Member]:
        """All members, for one of them only itself, in the order in which they were added."""

        def work(connection: sa.Connection) -> Sequence[Member]:
            image = _shared(visible(connection, image_id, caller))
            caller.require("get_members", image)
            return _found(connection, image)

        return self._database.read(work)

    def get(self, image_id: str, caller: Caller, member: str) -> Member:
        """One of the members that `list` has. Raises NoSuchMember."""

        def work(connection: sa.Connection) -> Member:
            image = _shared(visible(connection, image_id, caller))
            caller.require("get_member", image)
            return _one(connection, image, member)

        return self._database.read(work)

    def add(self, image_id: str, caller: Caller, member: str) -> Member:
        """Adds a member, whose answer is pending. Raises MemberExists, TooManyMembers."""

        def work(connection: sa.Connection) -> Member:
            image = _shared(permitted(connection, image_id, caller, "add_member"))
            present = [each.member for each in _found(connection, image)]
            exists = MemberExists(f"Project {member} is a member of image {image.id} already.")
            if member in present:
                raise exists
            if len(present) >= MOST:
                raise TooManyMembers(f"An image has at most {MOST} members.")
            time = now()
            added = Member(image.id, member, PENDING, time, time)
            values = {"image_id": image.id, "member": member, "status": PENDING, "created_at": time, "updated_at": time}
            try:
                connection.execute(sa.insert(MEMBERS).values(**values))
            except sa.exc.IntegrityError as error:  # MariaDB takes names for one that differ in blanks at their ends
                raise exists from error
            return added

        return self._database.change(work)

    def answer(self, image_id: str, caller: Caller, member: str, status: str) -> Member:
        """Sets the status, one of STATUSES: the member's own to do, or an admin's. Raises NoSuchMember."""

        def work(connection: sa.Connection) -> Member:
            image = _shared(permitted(connection, image_id, caller, "modify_member"))
            found = _one(connection, image, member)
            if not (caller.is_admin or caller.project_id == member):
                raise errors.Forbidden("The status of a member is the member's own to set.")
            here = (MEMBERS.c.image_id == image.id, MEMBERS.c.member == found.member)
            connection.execute(sa.update(MEMBERS).where(*here).values(status=status, updated_at=now()))
            return _one(connection, image, member)

        return self._database.change(work)

    def remove(self, image_id: str, caller: Caller, member: str) -> None:
        """Takes the image away from a member. Raises NoSuchMember."""

        def work(connection: sa.Connection) -> None:
            image = _shared(permitted(connection, image_id, caller, "delete_member"))
            _one(connection, image, member)
            here = (MEMBERS.c.image_id == image.id, MEMBERS.c.member == member)
            connection.execute(sa.delete(MEMBERS).where(*here))

        self._database.change(work)


def _shared(image: ImageRecord) -> ImageRecord:
    if image.visibility != "shared":
        raise errors.Forbidden(f"Only shared images have members: image {image.id} is {image.visibility}.")
    return image


def _found(connection: sa.Connection, image: ImageRecord) -> Sequence[Member]:
    """The members that the caller, to whom `image` was shown, may see."""
    query = sa.select(MEMBERS).where(MEMBERS.c.image_id == image.id)
    if image.member is not None:
        query = query.where(MEMBERS.c.member == image.member)
    rows = connection.execute(query.order_by(MEMBERS.c.created_at, MEMBERS.c.member)).mappings()
    return [Member(**row) for row in rows]


def _one(connection: sa.Connection, image: ImageRecord, member: str) -> Member:
    for each in _found(connection, image):
        if each.member == member:
            return each
    raise NoSuchMember(f"Image {image.id} has no such member.")
