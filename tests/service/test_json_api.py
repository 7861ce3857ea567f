"""The JSON half of the Image API: what Glance's clients send and read, and what is refused."""

from __future__ import annotations

import re
from typing import Any

from tests.support.client import Client, new_id
from tests.support.service import ServiceProcess

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FORMATS = {"disk_format": "raw", "container_format": "bare"}


def refusal(client: Client, value: object, status: int = 400) -> str:
    """The message with which a POST is refused; no image came of it."""
    answer = client.post("/v2/images", value)
    assert answer.status == status, answer
    assert client.get("/v2/images").json()["images"] == []
    return answer.body.decode()


def test_created_image_has_the_fields_of_the_api(client: Client) -> None:
    answer = client.post("/v2/images", {**FORMATS, "name": "n\u00e4me", "tags": ["b", "a", "b"], "os_type": "linux"})
    image = answer.json()
    path = f"/v2/images/{image['id']}"
    assert answer.status == 201
    assert answer.headers["location"] == client.url + path
    assert client.show(image["id"]) == image
    assert TIME.fullmatch(image.pop("created_at"))
    assert TIME.fullmatch(image.pop("updated_at"))
    nothing = dict.fromkeys(("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"))
    assert image == {
        **FORMATS, **nothing, "id": image["id"], "name": "n\u00e4me", "status": "queued", "visibility": "shared",
        "owner": client.project, "min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False,
        "tags": ["a", "b"], "os_type": "linux", "self": path, "file": f"{path}/file", "schema": "/v2/schemas/image",
    }  # fmt: skip


def test_identifier_given_by_the_client_is_taken_once(client: Client) -> None:
    image_id = new_id()
    assert client.create(id=image_id) == image_id
    assert client.post("/v2/images", {"id": image_id}).status == 409
    client.delete(image_id)
    assert client.post("/v2/images", {"id": image_id}).status == 409


BAD_VALUES: dict[str, tuple[Any, ...]] = {
    "id": ("not-a-uuid", 7), "name": (7, "x" * 256, "a\0b", "\ud800"), "disk_format": ("floppy", []),
    "container_format": ("box",), "visibility": ("everybody", None), "protected": ("yes",), "os_hidden": ("true",),
    "min_disk": (-1, True), "min_ram": ("1", 2**31), "tags": ("a", [7], [""]), "os_type": (7, "x" * 65536),
}  # fmt: skip


def test_bad_value_is_refused_by_its_name(client: Client) -> None:
    for name, values in BAD_VALUES.items():
        for value in values:
            assert name in refusal(client, {**FORMATS, name: value})


def test_attribute_of_the_service_is_not_the_clients_to_set(client: Client) -> None:
    for name in ("status", "size", "checksum", "os_hash_value", "stores", "location", "deleted"):
        assert f"'{name}'" in refusal(client, {name: "active"}, 403)


def test_image_for_another_project_is_refused(client: Client) -> None:
    refusal(client, {"owner": "other"}, 403)
    assert client.post("/v2/images", {"owner": client.project}).status == 201


def test_body_must_be_an_object_of_at_most_a_mebibyte(client: Client) -> None:
    for body in (b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000):
        assert client.request("POST", "/v2/images", body=body).status == 400
    assert client.request("POST", "/v2/images", body=b" " * (1024 * 1024 + 1)).status == 413
    assert client.request("POST", "/v2/images", body=iter([b"{", b"}"])).status == 201, "chunked, too"


def test_too_many_properties_or_tags_are_refused(client: Client) -> None:
    properties = {f"p{number}": "x" for number in range(129)}
    assert "at most 128 additional properties, not 129" in refusal(client, properties, 413)
    assert "at most 128 tags, not 129" in refusal(client, {"tags": list(properties)}, 413)
    properties.pop("p0")
    assert client.post("/v2/images", {**properties, "tags": list(properties)}).status == 201
    assert client.post("/v2/images", {"tags": ["x"] * 129}).status == 201, "the same tag is one tag"


def test_project_is_the_headers_or_the_default(client: Client) -> None:
    nobody = Client(client.url)
    assert nobody.show(nobody.create())["owner"] == "default"
    for project in ("", "x" * 256, "\u00e4"):
        assert client.get("/v2/images", X_Project_Id=project).status == 400


def test_deleted_image_is_gone_with_its_data(client: Client, shared_service: ServiceProcess) -> None:
    image_id = client.create()
    client.upload(image_id, b"data")
    assert image_id in shared_service.objects("fast")
    assert client.delete(image_id).status == 204
    assert [client.get(f"/v2/images/{image_id}{rest}").status for rest in ("", "/file")] == [404, 404]
    assert client.delete(image_id).status == 404
    assert image_id not in shared_service.objects()
    assert shared_service.catalog.status(image_id) == "deleted"


def test_stores_are_told(client: Client) -> None:
    assert client.get("/v2/info/stores").json() == {
        "stores": [
            {"id": "fast", "description": "the fast one", "default": "true"},
            {"id": "slow", "description": "the slow one"},
        ]
    }


def test_unknown_path_and_method_are_refused_as_the_client_accepts_it(client: Client) -> None:
    assert client.get("/nowhere").status == 404
    answer = client.request("PATCH", "/v2/images", headers={"Accept": "application/json"})
    assert (answer.status, answer.json()["title"]) == (405, "Method Not Allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


def test_request_id_is_on_every_answer_and_is_the_services_own(client: Client) -> None:
    image_id = client.create()
    sent = f"req-{new_id()}"
    image = f"/v2/images/{image_id}"
    paths = ("/", "/v2/images", image, f"{image}/file", "/nowhere", "/v2/images/x/file")
    seen = {client.get(path, X_Openstack_Request_Id=sent).headers["x-openstack-request-id"] for path in paths}
    assert len(seen) == len(paths)
    assert all(re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) for value in seen)
    assert sent not in seen
