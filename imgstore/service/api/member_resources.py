"""Members of shared images over HTTP: with whom an image is shared, and what they say to that.

The owner adds and removes members, a member sets its own status. As in Glance the list of an image that is not shared
is 403, and so is what a member does to the image itself.
"""

from __future__ import annotations

import falcon

from imgstore import errors
from imgstore.http.requests import shown
from imgstore.service.api import attributes
from imgstore.service.api.bodies import parsed, read_body, time_of
from imgstore.service.api.images import Images
from imgstore.service.api.paths import last_part
from imgstore.service.auth.noauth import caller_of
from imgstore.service.auth.policy import enforce
from imgstore.sql import MEMBER_STATUSES, Member


class MemberList:
    """`/v2/images/{image_id}/members`."""

    def __init__(self, images: Images) -> None:
        self._catalog = images.catalog

    def on_get(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "get_members", self._catalog.get(image_id, caller))
        members = self._catalog.members.list(image_id, caller)
        resp.media = {"members": [member_body(member) for member in members], "schema": "/v2/schemas/members"}

    def on_post(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "add_member", self._catalog.get(image_id, caller))
        resp.media = member_body(self._catalog.members.add(image_id, caller, _new_member(read_body(req))))


class OneMember:
    """`/v2/images/{image_id}/members/{member}`."""

    def __init__(self, images: Images) -> None:
        self._catalog = images.catalog

    def on_get(self, req: falcon.Request, resp: falcon.Response, image_id: str, member: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "get_member", self._catalog.get(image_id, caller))
        resp.media = member_body(self._catalog.members.get(image_id, caller, last_part(req, member)))

    def on_put(self, req: falcon.Request, resp: falcon.Response, image_id: str, member: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "modify_member", self._catalog.get(image_id, caller))
        status = _status(read_body(req))
        resp.media = member_body(self._catalog.members.answer(image_id, caller, last_part(req, member), status))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, image_id: str, member: str) -> None:
        caller = caller_of(req.env)
        enforce(caller, "delete_member", self._catalog.get(image_id, caller))
        self._catalog.members.remove(image_id, caller, last_part(req, member))
        resp.status = falcon.HTTP_204


def member_body(member: Member) -> dict[str, object]:
    """A member as the API shows it."""
    return {
        "member_id": member.member,
        "image_id": member.image_id,
        "status": member.status,
        "created_at": time_of(member.created_at),
        "updated_at": time_of(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def _new_member(body: bytes) -> str:
    member = _object(body).get("member")
    if not isinstance(member, str) or not member:
        raise errors.InvalidRequest('The body must name a project, as in {"member": "project"}.')
    return attributes.text("member", member)


def _status(body: bytes) -> str:
    status = _object(body).get("status")
    if not isinstance(status, str) or status not in MEMBER_STATUSES:
        given = shown(status) if isinstance(status, str) else type(status).__name__
        raise errors.InvalidRequest(f"status must be one of {', '.join(MEMBER_STATUSES)}, not {given}.")
    return status


def _object(body: bytes) -> dict[str, object]:
    given = parsed(body)
    if not isinstance(given, dict):
        raise errors.InvalidRequest("The body must be a JSON object.")
    return given
