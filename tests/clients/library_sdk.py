"""What a program does with openstacksdk: run as `python -m tests.clients.library_sdk URL FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import openstack
from openstack.image.v2.service_info import Store

from tests.support.client import Client
from tests.support.waiting import until


def copy(images: Any, image: Any, store: str) -> None:
    """To another store, as the library puts it, and to all stores, which all have it then."""
    before = images.get_image(image.id).properties["stores"]
    images.import_image(image, method="copy-image", store=Store.new(id=store))
    until(lambda: not importing(images, image))
    assert images.get_image(image.id).properties["stores"] == f"{before},{store}"
    images.import_image(image, method="copy-image", all_stores=True, all_stores_must_succeed=True)
    until(lambda: not importing(images, image))


def importing(images: Any, image: Any) -> str:
    """The stores to which a copy is under way."""
    return str(images.get_image(image.id).properties["os_glance_importing_to_stores"])


def main(url: str, path: Path) -> None:
    """Every step fails with a traceback."""
    data = path.read_bytes()
    images: Any = openstack.connect(auth_type="none", endpoint=url).image
    assert images.get_endpoint_data().api_version >= (2, 15)
    for store in (None, "slow"):
        images.additional_headers = {} if store is None else {"X-Image-Meta-Store": store}
        image = images.create_image(
            "library", filename=str(path), disk_format="raw", container_format="bare", wait=True,
            validate_checksum=True, tags=["a"], meta={"os_type": "linux"}, min_ram=7,
        )  # fmt: skip
        assert (image.status, image.size, image.tags, image.os_type) == ("active", len(data), ["a"], "linux")
        assert Client(url).show(image.id)["stores"] == (store or "fast")
        assert images.download_image(image, stream=False).content == data
        images.update_image(image, name="linux", tags=["b", "a", "c"], min_disk=3, os_distro="linux", is_hidden=True)
        changed = images.get_image(image.id)
        assert (changed.name, sorted(changed.tags), changed.min_disk) == ("linux", ["a", "b", "c"], 3)
        assert (changed.os_distro, changed.is_hidden) == ("linux", True)
        images.update_image_properties(changed, os_type="windows")
        assert images.get_image(image.id).os_type == "windows"
        images.add_tag(image, "d")
        images.remove_tag(image, "a")
        assert [each.id for each in images.images(tag="d", is_hidden=True)] == [image.id]
        images.deactivate_image(image)
        assert images.get_image(image.id).status == "deactivated"
        images.reactivate_image(image)
        images.additional_headers = {}
        copy(images, image, "fast" if store else "slow")
        images.delete_image(image)
        assert images.find_image(image.id) is None
    made = {Client(url).create(name=f"page{number}") for number in range(5)}
    assert {each.id for each in images.images(limit=2)} == made
    for image_id in made:
        images.delete_image(image_id)
    assert [each.id for each in images.stores(details=True)] == ["fast", "slow"]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
