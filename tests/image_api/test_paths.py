"""What paths and parameters mean: whatever a client writes is answered, and never meets a database as it is."""

from __future__ import annotations

import urllib.parse

from tests.image_api.conftest import Local
from tests.image_api.odd_requests import ODD, answers
from tests.support.client import Client, new_id


def test_odd_requests_are_the_clients_fault(client: Client) -> None:
    assert answers(client) == ODD


def test_identifiers_have_no_case(client: Client) -> None:
    image_id = client.create(id=new_id().upper(), tags=["t"])
    lower, upper = image_id.lower(), image_id.upper()
    assert client.post("/v2/images", {"id": lower}).status == client.post("/v2/images", {"id": upper}).status == 409
    assert client.upload(upper, b"data").status == 204
    for spelling in (lower, upper, lower[:18] + upper[18:]):
        assert client.show(spelling)["id"] == lower
        assert client.download(spelling).body == b"data"
        assert client.get(f"/v2/images?marker={spelling}").status == 200
        for value in (spelling, f"in:{spelling},x", f"eq:{spelling}"):
            assert len(client.get(f"/v2/images?id={value}").json()["images"]) == 1
    assert client.request("DELETE", f"/v2/images/{upper}/tags/t").status == 204
    assert client.delete(upper).status == 204
    assert client.post("/v2/images", {"id": upper}).status == 409, "an identifier is never used twice"


def test_other_versions_are_answered_with_those_that_there_are(client: Client) -> None:
    choices = client.get("/").json()
    for path in ("/v1", "/v3", "/v1/", "/v1/images", "/v3.1/images/x/file", "/v2.99", "/v20"):
        for method in ("GET", "POST", "DELETE"):
            answer = client.request(method, path)
            assert (answer.status, answer.json()) == (300, choices), path
    for path in ("/v2/nothing", "/vx", "/versions/x", "/v2/v3"):
        assert client.get(path).status == 404, path


def test_tag_has_any_character(client: Client) -> None:
    awkward = ["a/b", "a%2Fb", "/", "50%", "a+b", "?", "a//b", "%252F", "\u00e4/", "."]
    image_id = client.create(tags=awkward)
    for tag in awkward:
        path = f"/v2/images/{image_id}/tags/{urllib.parse.quote(tag, safe='')}"
        assert client.request("DELETE", path).status == 204, tag
        assert client.show(image_id)["tags"] == sorted(set(awkward) - {tag})
        assert client.request("PUT", f"{path}?x=/y").status == 204, tag
        assert client.show(image_id)["tags"] == sorted(awkward)


def test_stores_of_an_image_are_in_the_order_of_their_weights(local: Local) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data", store="more")
    wanted = {"method": {"name": "copy-image"}, "stores": ["one"]}
    assert local.client.post(f"/v2/images/{image_id}/import", wanted).status == 202
    assert local.service.copies.wait_until_idle(60)
    listed = local.client.get("/v2/images").json()["images"][0]
    assert local.client.show(image_id)["stores"] == listed["stores"] == "one,more", "one has weight 7"
