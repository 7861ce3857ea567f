"""`PATCH /v2/images/{id}`: what clients send to change an image, and what they may not change."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import jsonpatch
import pytest

from imgstore.service.api.patch import V20, V21
from tests.support.client import Answer, Client, new_id
from tests.support.service import ServiceProcess


def patch(client: Client, image_id: str, value: object, *, media_type: str = V21) -> Answer:
    """A PATCH of the image."""
    headers = {"Content-Type": media_type, "Accept": "application/json"}
    return client.request("PATCH", f"/v2/images/{image_id}", body=json.dumps(value).encode(), headers=headers)


def op(kind: str, path: str, value: object = None) -> dict[str, Any]:
    return {"op": kind, "path": path, **({} if kind == "remove" else {"value": value})}


def made(client: Client) -> str:
    """A queued image with tags and a property."""
    return client.create(name="old", tags=["a", "b"], os_type="linux")


@pytest.fixture
def image_id(client: Client) -> str:
    return made(client)


CHANGES: tuple[tuple[dict[str, Any], object], ...] = (
    (op("replace", "/name", "new"), "new"), (op("replace", "/name", None), None), (op("add", "/name", "new"), "new"),
    (op("replace", "/visibility", "private"), "private"), (op("replace", "/visibility", "community"), "community"),
    (op("replace", "/protected", True), True), (op("replace", "/os_hidden", True), True),
    (op("replace", "/min_disk", 3), 3), (op("replace", "/min_ram", 2**31 - 1), 2**31 - 1),
    (op("replace", "/disk_format", "qcow2"), "qcow2"), (op("replace", "/container_format", None), None),
    (op("replace", "/tags", ["c", "c", "a"]), ["a", "c"]), (op("add", "/tags", []), []),
    (op("add", "/tags/-", "c"), ["a", "b", "c"]), (op("remove", "/tags/0"), ["b"]),
    (op("replace", "/tags/1", "z"), ["a", "z"]), (op("add", "/hw_disk_bus", "scsi"), "scsi"),
    (op("add", "/a~1b~0c", "x"), "x"), (op("replace", "/os_type", "windows"), "windows"),
    (op("add", "/os_type", "windows"), "windows"),
    ({"op": "copy", "from": "/os_type", "path": "/os_distro"}, "linux"),
    ({"op": "move", "from": "/os_type", "path": "/os_distro"}, "linux"),
)  # fmt: skip
"""What a client may change, and what the attribute has then."""


def test_what_is_the_clients_to_change_is_changed(client: Client) -> None:
    for operation, value in CHANGES:
        image_id = made(client)
        name = "tags" if operation["path"].startswith("/tags") else NAMES.get(operation["path"], operation["path"][1:])
        before, answer = client.show(image_id), patch(client, image_id, [operation])
        assert (answer.status, answer.json().get(name)) == (200, value), operation
        assert client.show(image_id) == answer.json()
        touched = {name, "updated_at", "os_type" if operation["op"] == "move" else name}
        rest = {key: value for key, value in before.items() if key not in touched}
        assert {key: value for key, value in answer.json().items() if key not in touched} == rest


NAMES = {"/a~1b~0c": "a/b~c"}


def test_property_is_removed(client: Client, image_id: str) -> None:
    assert "os_type" not in patch(client, image_id, [op("remove", "/os_type")]).json()


def test_difference_that_a_client_computes_is_taken(client: Client, image_id: str) -> None:
    image = client.show(image_id)
    wanted = {**image, "name": "linux", "tags": ["b", "q"], "os_distro": "linux", "min_ram": 7}
    del wanted["os_type"]
    difference = jsonpatch.make_patch(image, wanted).patch
    assert "move" in {each["op"] for each in difference}, "what such libraries send beyond Glance's three"
    changed = patch(client, image_id, difference).json()
    assert {**changed, "updated_at": 0} == {**wanted, "updated_at": 0}


def test_older_notation_is_taken(client: Client, image_id: str) -> None:
    old = [{"replace": "/name", "value": "new"}, {"add": "/os_distro", "value": "debian"}, {"remove": "/os_type"}]
    changed = patch(client, image_id, old, media_type=V20).json()
    assert (changed["name"], changed["os_distro"], "os_type" in changed) == ("new", "debian", False)


def test_older_notation_keeps_its_own_rules(client: Client, image_id: str) -> None:
    refused: tuple[tuple[int, object], ...] = (
        (409, {"add": "/os_type", "value": "x"}), (409, {"replace": "/os_distro", "value": "x"}),
        (409, {"remove": "/os_distro"}), (400, op("replace", "/name", "new")),
        (400, {"add": "/x", "remove": "/y", "value": "x"}), (400, {"move": "/os_type", "value": "/x"}), (400, "remove"),
    )  # fmt: skip
    for status, operation in refused:
        assert patch(client, image_id, [operation], media_type=V20).status == status, operation


READ_ONLY = (
    "id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at",
    "self", "file", "schema", "stores", "direct_url", "locations", "location", "deleted", "deleted_at", "os_glance_x",
    "locations/-", "locations/0", "status/x",
)  # fmt: skip


def test_attribute_of_the_service_is_forbidden(client: Client, image_id: str) -> None:
    for name, kind in itertools.product(READ_ONLY, ("add", "replace", "remove", "test")):
        answer = patch(client, image_id, [op("replace", "/name", "new"), op(kind, f"/{name}", "x")])
        assert (answer.status, name.partition("/")[0] in answer.json()["message"]) == (403, True), (kind, name)
    for name, kind in itertools.product(("id", "status", "os_hash_value"), ("move", "copy")):
        assert patch(client, image_id, [{"op": kind, "from": f"/{name}", "path": "/x"}]).status == 403
        assert patch(client, image_id, [{"op": kind, "from": "/os_type", "path": f"/{name}"}]).status == 403
    assert client.show(image_id)["name"] == "old", "the whole patch is refused"


def test_attribute_of_every_image_is_not_removed(client: Client, image_id: str) -> None:
    for name in ("name", "visibility", "protected", "min_disk", "disk_format", "tags", "owner"):
        assert patch(client, image_id, [op("remove", f"/{name}")]).status == 403
        assert patch(client, image_id, [{"op": "move", "from": f"/{name}", "path": "/x"}]).status == 403


def test_owner_is_not_given_away(client: Client, image_id: str) -> None:
    assert patch(client, image_id, [op("replace", "/owner", "other")]).status == 403
    assert patch(client, image_id, [{"op": "copy", "from": "/os_type", "path": "/owner"}]).status == 403
    assert patch(client, image_id, [op("replace", "/owner", client.project)]).status == 200


BAD: tuple[object, ...] = (
    op("replace", "/name", 7), op("replace", "/name", "x" * 256), op("replace", "/visibility", "everybody"),
    op("replace", "/protected", "yes"), op("replace", "/min_ram", -1), op("replace", "/min_disk", 2**31),
    op("replace", "/min_disk", 1.5), op("replace", "/disk_format", "floppy"), op("replace", "/tags", "a"),
    op("replace", "/tags", [7]), op("add", "/tags/-", 7), op("add", "/tags/-", ""), op("add", "/tags/x", "c"),
    op("add", "/os_distro", 7), op("add", "/os_distro", None), op("add", "/os_distro", {"a": "b"}),
    op("replace", "/os_type", "\ud800"), op("add", "/os_distro", "x" * 65536), op("add", "/", "x"),
    op("add", f"/{'n' * 256}", "x"), op("add", "/name/0", "x"), op("add", "/tags/0/1", "x"), op("add", "", {}),
    op("add", "name", "x"), op("add", "/x~2", "x"), op("explode", "/name", "x"), {"op": 7, "path": "/name"},
    {"path": "/name", "value": "x"}, {"op": "add", "value": "x"}, {"op": "add", "path": 7, "value": "x"},
    {"op": "add", "path": "/name"}, {"op": "move", "path": "/x"}, {"op": "copy", "path": "/x", "from": 7},
    {"op": "copy", "from": "/tags", "path": "/x"}, {"op": "copy", "from": "/os_type", "path": "/min_ram"},
    {"op": "copy", "from": "/tags/-", "path": "/x"}, {"op": "move", "from": "/tags/-", "path": "/tags/-"},
    op("add", "/tags/0x", "c"), op("remove", "/tags/01"), op("test", f"/tags/{'9' * 5000}", "c"),
    "replace", None, [],
)  # fmt: skip
"""Operations that cannot be one."""

UNFIT: tuple[object, ...] = (
    op("replace", "/os_distro", "x"), op("remove", "/os_distro"), op("remove", "/tags/2"),
    op("replace", "/tags/2", "x"), op("test", "/name", "other"), {"op": "move", "from": "/nobody", "path": "/x"},
)  # fmt: skip
"""Operations that do not fit the image."""


def test_operation_that_is_none_or_does_not_fit_is_refused(client: Client, image_id: str) -> None:
    before = client.show(image_id)
    for operation in (*BAD, *UNFIT):
        answer = patch(client, image_id, [op("replace", "/name", "new"), operation])
        assert answer.status == (409 if operation in UNFIT else 400), operation
    assert client.show(image_id) == before


def test_body_that_is_no_list_of_operations_is_refused(client: Client, image_id: str) -> None:
    bodies = [b"", b"{", b"{}", b'"text"', b"7", b"\xff", b"[NaN]", b"[" * 100_000]
    bodies += [b'[{"op": "add", "path": "/x", "value": %b}]' % (b"[" * deep + b"]" * deep) for deep in (10, 900, 5000)]
    for body in bodies:
        path = f"/v2/images/{image_id}"
        assert client.request("PATCH", path, body=body, headers={"Content-Type": V21}).status == 400


def test_other_media_types_are_refused_with_those_that_are_taken(client: Client, image_id: str) -> None:
    for media_type in ("", "application/json", "application/json-patch+json", "text/plain"):
        answer = patch(client, image_id, [], media_type=media_type)
        assert (answer.status, answer.headers["accept-patch"]) == (415, f"{V20}, {V21}")


def test_media_type_is_compared_as_http_says(client: Client, image_id: str) -> None:
    media_type = f"{V21.upper()}; charset=utf-8"
    assert patch(client, image_id, [op("replace", "/name", "new")], media_type=media_type).status == 200


def test_patch_of_nothing_changes_nothing(client: Client, image_id: str, shared_service: ServiceProcess) -> None:
    with closing(sqlite3.connect(shared_service.catalog.database)) as connection, connection:
        connection.execute("UPDATE images SET updated_at = '2020-01-01 00:00:00.000000'").close()
    before = client.show(image_id)
    answer = patch(client, image_id, [])
    assert (answer.status, answer.json()) == (200, before)


def test_formats_are_fixed_once_there_is_data(client: Client, image_id: str) -> None:
    with client.begin_upload(image_id, length=4) as upload:
        assert patch(client, image_id, [op("replace", "/disk_format", "iso")]).status == 403, (
            "while it is uploaded, too"
        )
        upload.send(b"data")
        assert upload.finish().status == 204
    for name, value in (("disk_format", "iso"), ("container_format", "ovf")):
        assert patch(client, image_id, [op("replace", f"/{name}", value)]).status == 403
    assert patch(client, image_id, [op("replace", "/disk_format", "raw"), op("add", "/x", "y")]).status == 200
    image = client.show(image_id)
    assert (image["disk_format"], image["x"], image["status"], image["size"]) == ("raw", "y", "active", 4)


def test_change_during_an_upload_stays(client: Client, image_id: str) -> None:
    with client.begin_upload(image_id, length=4) as upload:
        assert patch(client, image_id, [op("replace", "/name", "new")]).status == 200
        upload.send(b"data")
        assert upload.finish().status == 204
    assert (client.show(image_id)["name"], client.show(image_id)["status"]) == ("new", "active")


def test_too_many_properties_or_tags_are_refused(client: Client, image_id: str) -> None:
    assert patch(client, image_id, [op("add", f"/p{number}", "x") for number in range(128)]).status == 413
    assert patch(client, image_id, [op("add", "/tags/-", f"t{number}") for number in range(127)]).status == 413
    assert patch(client, image_id, [op("add", "/x", "y")] * 1001).status == 400


def test_a_patch_cannot_make_much_of_little(client: Client, image_id: str) -> None:
    """Neither by a list in itself nor by a text taken again and again: each operation is looked at."""
    patch(client, image_id, [op("add", "/big", "x" * 65000)])
    lists = [{"op": "copy", "from": "/tags", "path": "/tags/-"}] * 40
    texts = [{"op": "copy", "from": "/big", "path": f"/p{number}"} for number in range(9)]
    many = [{"op": "copy", "from": "/big", "path": f"/tags/{number}"} for number in range(9)]
    assert patch(client, image_id, lists).status == 400
    for grown in (texts, many):
        removed = [op("remove", each["path"]) for each in reversed(grown)]
        assert patch(client, image_id, grown + removed).status == 413
    assert client.post("/v2/images", {f"p{number}": "x" * 65000 for number in range(9)}).status == 413


def test_protected_image_is_deleted_once_it_is_not(client: Client, image_id: str) -> None:
    patch(client, image_id, [op("replace", "/protected", True)])
    assert client.delete(image_id).status == 403
    patch(client, image_id, [op("replace", "/protected", False)])
    assert client.delete(image_id).status == 204


def test_image_of_another_project_is_not_found_or_not_theirs_to_change(client: Client, image_id: str) -> None:
    stranger, rename = client.of(new_id()), [op("replace", "/name", "evil")]
    assert patch(stranger, image_id, rename).status == 404
    patch(client, image_id, [op("replace", "/visibility", "community")])
    assert patch(stranger, image_id, rename).status == 403
    patch(client, image_id, [op("replace", "/visibility", "private")])
    assert patch(stranger, image_id, rename).status == 404
    assert client.show(image_id)["name"] == "old"


def at_once(client: Client, image_id: str, patches: Sequence[list[dict[str, Any]]]) -> list[int]:
    """The statuses of patches that are sent at the same time."""
    with ThreadPoolExecutor(len(patches)) as pool:
        return sorted(pool.map(lambda each: patch(client, image_id, each).status, patches))


def test_concurrent_changes_all_happen(client: Client, image_id: str) -> None:
    """None is lost: every change is made of what the one before left."""
    numbers = range(24)
    changes = [[op("add", f"/p{number}", "x"), op("add", "/tags/-", f"t{number}")] for number in numbers]
    assert at_once(client, image_id, changes) == [200] * 24
    image = client.show(image_id)
    assert {f"p{number}" for number in numbers} <= image.keys()
    assert {f"t{number}" for number in numbers} < set(image["tags"])


def test_one_of_several_tests_and_sets_wins(client: Client, image_id: str) -> None:
    claims = [[op("test", "/os_type", "linux"), op("replace", "/os_type", f"mine{number}")] for number in range(12)]
    assert at_once(client, image_id, claims) == [200] + [409] * 11


def test_signature_that_nobody_verifies_is_refused(client: Client, image_id: str) -> None:
    answer = patch(client, image_id, [op("add", "/img_signature", "c2lnbmVk")])
    assert (answer.status, "img_signature" in answer.json()["message"]) == (400, True)
    assert client.post("/v2/images", {"img_signature_certificate_uuid": new_id()}).status == 400
