"""What the service tells of itself: versions, schemas, stores, usage."""

from __future__ import annotations

import jsonschema
import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB, Space
from tests.image_api.conftest import Local
from tests.support.client import Client

NEW = {"name": "n", "disk_format": "raw", "container_format": "bare", "tags": ["a"], "os_type": "linux"}


def test_versions_are_those_whose_additions_are_there(client: Client) -> None:
    told, choices = client.get("/versions"), client.get("/")
    assert (told.status, choices.status, told.json()) == (200, 300, choices.json())
    assert told.json()["versions"][0]["links"] == [{"rel": "self", "href": f"{client.url}/v2/"}]
    versions = {version["id"]: version["status"] for version in told.json()["versions"]}
    assert [name for name, status in versions.items() if status == "CURRENT"] == ["v2.15"]
    assert {"v2.0", "v2.3", "v2.5", "v2.6", "v2.7", "v2.8", "v2.9", "v2.13"} <= versions.keys()
    missing = {"tasks": "v2.12", "cache": "v2.14", "locations": "v2.17"}
    assert not versions.keys() & set(missing.values())


def test_images_conform_to_the_schemas_that_are_told(client: Client) -> None:
    image_schema = client.get("/v2/schemas/image").json()
    queued, active = client.create(**NEW), client.create()
    client.upload(active, b"data")
    for image_id in (queued, active):
        image = client.show(image_id)
        jsonschema.validate(image, image_schema)
        assert image.keys() - {"os_type"} <= image_schema["properties"].keys()
    jsonschema.validate(client.get("/v2/images").json(), client.get("/v2/schemas/images").json())


def test_schema_refuses_what_the_service_refuses(client: Client) -> None:
    schema = client.get("/v2/schemas/image").json()
    for wrong in ({"disk_format": "floppy"}, {"os_type": 7}, {"min_ram": -1}, {"tags": [""]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
        assert client.post("/v2/images", wrong).status == 400
    for name in ("task", "tasks", "metadefs/namespace"):
        assert client.get(f"/v2/schemas/{name}").status == 404, "there is no such thing here"


def test_import_methods_and_stores_are_told(client: Client) -> None:
    assert client.get("/v2/info/import").json()["import-methods"]["value"] == ["copy-image"]
    assert client.post("/v2/images", {}).headers["openstack-image-store-ids"] == "fast,slow"


def test_stores_are_told_in_detail(local: Local) -> None:
    assert local.client.get("/v2/info/stores/detail").json()["stores"] == [
        {
            "id": "one", "description": "the first", "default": "true", "type": "memory", "weight": 7,
            "properties": {},
        },
        {
            "id": "two", "read-only": "true", "type": "memory", "weight": 0,
            "properties": {"total_bytes": 10 * MIB, "free_bytes": 10 * MIB},
        },
        {"id": "more", "type": "memory", "weight": 0, "properties": {}},
    ]  # fmt: skip


def test_filesystem_store_is_of_the_type_that_glance_calls_file(client: Client) -> None:
    fast, _ = client.get("/v2/info/stores/detail").json()["stores"]
    assert fast["type"] == "file"
    assert 0 < fast["properties"]["free_bytes"] <= fast["properties"]["total_bytes"]


def test_store_that_is_down_is_told_without_its_space(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: MemoryDriver) -> Space:
        raise errors.StoreUnavailable("down")

    monkeypatch.setattr(MemoryDriver, "space", fail)
    stores = local.client.get("/v2/info/stores/detail").json()["stores"]
    assert [(store["id"], store["properties"]) for store in stores] == [("one", {}), ("two", {}), ("more", {})]


def test_usage_is_told_in_mebibytes(local: Local, client: Client) -> None:
    unlimited = client.get("/v2/info/usage").json()["usage"]
    assert unlimited["image_size_total"] == {"usage": 0, "limit": -1}
    client = local.client
    sizes = (MIB, MIB + MIB // 2)
    for size in sizes:
        assert client.upload(client.create(), bytes(size)).status == 204
    gone = client.create()
    client.upload(gone, bytes(MIB // 2))
    client.delete(gone)
    client.of("other").create()
    with client.begin_upload(client.create(), length=4):
        usage = client.get("/v2/info/usage").json()["usage"]
    assert usage == {
        "image_size_total": {"usage": 2, "limit": 3},
        "image_count_total": {"usage": 3, "limit": -1},
        "image_count_uploading": {"usage": 1, "limit": -1},
    }
