"""What is told of the service's options is what the code says; what is said behind a proxy."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from oslo_config import generator

from imgstore.drivers.memory import MemoryDriver
from imgstore.service.options import OPTIONS
from imgstore.store import Store, StoreSet
from tests.support.service import LocalService

ROOT = Path(__file__).parent.parent.parent
ETC = ROOT / "etc"


def test_the_sample_is_what_the_generator_makes_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "sample"
    configuration = str(ETC / "oslo-config-generator-service.conf")
    with monkeypatch.context() as patch:
        patch.setattr(logging, "basicConfig", lambda **_: None)  # the generator turns logging on for the whole process
        generator.main(["--config-file", configuration, "--output-file", str(made)])
    assert made.read_text() == (ETC / "imgstore-service.conf.sample").read_text(), (
        "run from the top of the tree: oslo-config-generator --config-file etc/oslo-config-generator-service.conf"
    )


def test_the_documentation_names_every_option() -> None:
    text = (ROOT / "doc" / "operation.md").read_text() + (ROOT / "doc" / "service.md").read_text()
    assert [option.name for option in OPTIONS if f"`{option.name}`" not in text] == []
    assert all(option.help and option.help.endswith(".") for option in OPTIONS)


@pytest.mark.parametrize("endpoint", ["https://images.example.org", "https://cloud.example.org:8443/image"])
def test_links_begin_with_the_public_endpoint(tmp_path: Path, endpoint: str) -> None:
    stores = StoreSet([Store("main", MemoryDriver())], default="main")
    with LocalService(tmp_path, stores, endpoint=endpoint).running() as service:
        made = service.client.post("/v2/images", {"disk_format": "raw", "container_format": "bare"})
        image_id = made.json()["id"]
        assert made.headers["location"] == f"{endpoint}/v2/images/{image_id}"
        links = {version["links"][0]["href"] for version in service.client.get("/versions").json()["versions"]}
        assert links == {f"{endpoint}/v2/"}
        assert service.client.upload(image_id, b"data").status == 204
        assert service.client.download(image_id).body == b"data"
