"""Members of shared images: who sees what, who may do what, and in which lists the image is."""

from __future__ import annotations

import json
import urllib.parse

import jsonschema
import pytest

from tests.support.client import Answer, Client, new_id


@pytest.fixture
def member(client: Client) -> Client:
    """Another project."""
    return client.of(new_id())


def project(client: Client) -> str:
    assert client.project is not None
    return client.project


def path(image_id: str, member: Client | None = None) -> str:
    end = "" if member is None else f"/{project(member)}"
    return f"/v2/images/{image_id}/members{end}"


def share(owner: Client, image_id: str, member: Client) -> Answer:
    return owner.post(path(image_id), {"member": project(member)})


def answer(caller: Client, image_id: str, member: Client, status: object) -> Answer:
    sent = json.dumps({"status": status}).encode()
    return caller.request("PUT", path(image_id, member), body=sent, headers={"Content-Type": "application/json"})


def listed(caller: Client, query: str = "") -> list[str]:
    return [image["id"] for image in caller.get(f"/v2/images?{query}").json()["images"]]


def members(caller: Client, image_id: str) -> dict[str, str]:
    return {each["member_id"]: each["status"] for each in caller.get(path(image_id)).json()["members"]}


def test_member_reads_a_shared_image_and_changes_nothing_of_it(client: Client, member: Client) -> None:
    image_id = client.create(tags=["a"])
    client.upload(image_id, b"data")
    queued = client.create()
    assert member.get(f"/v2/images/{image_id}").status == member.download(image_id).status == 404
    assert share(client, image_id, member).status == share(client, queued, member).status == 200
    assert (member.show(image_id)["owner"], member.download(image_id).body) == (client.project, b"data")
    forbidden = (
        ("DELETE", ""), ("PATCH", ""), ("PUT", "/tags/b"), ("DELETE", "/tags/a"), ("POST", "/actions/deactivate"),
        ("POST", "/members"), ("DELETE", f"/members/{member.project}"),
    )  # fmt: skip
    for method, end in forbidden:
        assert member.request(method, f"/v2/images/{image_id}{end}", body=b"[]").status == 403, (method, end)
    assert member.upload(queued, b"data").status == 403
    assert (client.show(queued)["status"], client.show(image_id)["tags"]) == ("queued", ["a"])
    assert client.request("DELETE", path(image_id, member)).status == 204
    assert member.get(f"/v2/images/{image_id}").status == member.download(image_id).status == 404


def test_member_accepts_or_rejects_and_lists_follow(client: Client, member: Client) -> None:
    image_id = client.create()
    share(client, image_id, member)
    for status in ("pending", "accepted", "rejected"):
        if status != "pending":
            told = answer(member, image_id, member, status)
            assert (told.status, told.json()["status"]) == (200, status)
        assert members(client, image_id) == {member.project: status}
        for wanted in ("pending", "accepted", "rejected", "all"):
            expected = [image_id] if wanted in (status, "all") else []
            for visibility in ("visibility=shared", "visibility=all", ""):
                query = f"{visibility}&member_status={wanted}&owner={client.project}"
                assert listed(member, query) == expected, (status, query)
                assert listed(client.of(new_id()), query) == []
        assert listed(member, f"owner={client.project}") == ([image_id] if status == "accepted" else [])
        assert member.show(image_id)["id"] == image_id, "to whoever knows it"
    assert listed(client) == listed(client, "member_status=rejected") == [image_id], "the owner's own"


def test_status_is_the_members_own_to_set(client: Client, member: Client) -> None:
    image_id, stranger, third = client.create(), client.of(new_id()), client.of(new_id())
    for each in (member, third):
        assert share(client, image_id, each).json()["status"] == "pending"
    assert answer(client, image_id, member, "accepted").status == 403
    assert answer(third, image_id, member, "accepted").status == 404, "members do not see each other"
    assert answer(stranger, image_id, member, "accepted").status == 404
    for wrong in ("maybe", "all", "", None, ["accepted"]):
        assert answer(member, image_id, member, wrong).status == 400, wrong
    assert members(client, image_id) == {member.project: "pending", third.project: "pending"}
    assert members(member, image_id) == {member.project: "pending"}
    assert member.get(path(image_id, third)).status == stranger.get(path(image_id)).status == 404


def test_members_are_added_once_and_removed_once(client: Client, member: Client) -> None:
    image_id = client.create()
    no_members: tuple[object, ...] = ({"member": ""}, {"member": 7}, {"member": "x" * 256}, {"member": "\0"}, {}, [])
    for wrong in no_members:
        assert client.post(path(image_id), wrong).status == 400, wrong
    assert [share(client, image_id, member).status for _ in range(2)] == [200, 409]
    shown = client.get(path(image_id, member)).json()
    assert shown == share_of(client, image_id)
    jsonschema.validate(shown, client.get("/v2/schemas/member").json())
    jsonschema.validate(client.get(path(image_id)).json(), client.get("/v2/schemas/members").json())
    assert [client.request("DELETE", path(image_id, member)).status for _ in range(2)] == [204, 404]
    for name in ("a/b", "50%", "\u00e4"):
        assert client.post(path(image_id), {"member": name}).status == 200
        assert client.request("DELETE", f"{path(image_id)}/{urllib.parse.quote(name, safe='')}").status == 204
    assert {client.post(path(image_id), {"member": f"m{number}"}).status for number in range(128)} == {200}
    assert client.post(path(image_id), {"member": "one-too-many"}).status == 413
    assert client.request("DELETE", f"{path(image_id)}/").status == 404


def share_of(client: Client, image_id: str) -> object:
    (only,) = client.get(path(image_id)).json()["members"]
    return only


def test_only_shared_images_have_members(client: Client, member: Client) -> None:
    for visibility in ("private", "community"):
        image_id = client.create(visibility=visibility)
        assert share(client, image_id, member).status == client.get(path(image_id)).status == 403
    image_id = client.create()
    share(client, image_id, member)
    patch = b'[{"op": "replace", "path": "/visibility", "value": "private"}]'
    kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert client.request("PATCH", f"/v2/images/{image_id}", body=patch, headers=kind).status == 200
    assert member.get(f"/v2/images/{image_id}").status == 404
    assert image_id not in listed(member, "member_status=all&visibility=all")
