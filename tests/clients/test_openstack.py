"""The command `openstack image` (python-openstackclient), unchanged, against the service.

It has no option to name a store for an upload; `glance` has (see `test_glance`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import Programs
from tests.support.service import ServiceProcess
from tests.support.waiting import until

pytestmark = pytest.mark.long


def test_image_goes_in_from_a_file_and_comes_out(programs: Programs, service: ServiceProcess, data: Path) -> None:
    copy = data.parent / "copy"
    created = programs.json(
        "openstack", "image", "create", "first", "--file", str(data), "--property", "hw_disk_bus=scsi", "--tag", "a",
        "--min-ram", "64", "--protected", "--community",
    )  # fmt: skip
    told = {"status": "active", "size": 300_000, "tags": ["a"], "min_ram": 64, "visibility": "community"}
    assert told.items() <= created.items()
    assert created["properties"]["hw_disk_bus"] == "scsi"
    assert programs.json("openstack", "image", "show", "first") == created
    programs.run("openstack", "image", "save", "--file", str(copy), "first")
    assert copy.read_bytes() == data.read_bytes()
    programs.run("openstack", "image", "set", "--unprotected", "first")
    programs.run("openstack", "image", "delete", "first")
    assert service.objects() == []


def test_image_goes_in_through_a_pipe(programs: Programs, service: ServiceProcess, data: Path) -> None:
    created = programs.json("openstack", "image", "create", "piped", pipe=data)
    assert (created["status"], created["size"]) == ("active", 300_000)
    assert service.client.download(created["id"]).body == data.read_bytes()
    service.client.delete(created["id"])


def test_image_is_copied_to_another_store(programs: Programs, service: ServiceProcess, data: Path) -> None:
    image_id = programs.json("openstack", "image", "create", "copied", "--file", str(data))["id"]
    wanted = ("--method", "copy-image", "--store", "slow")
    programs.run("openstack", "image", "import", "copied", *wanted, "--disallow-failure")
    until(lambda: not service.client.show(image_id)["os_glance_importing_to_stores"])
    shown = programs.json("openstack", "image", "show", "copied")
    assert (shown["properties"]["stores"], shown["properties"]["os_glance_failed_import"]) == ("fast,slow", "")
    programs.run("openstack", "image", "delete", "copied")
    assert service.objects() == []


def test_image_is_set_unset_and_deactivated(programs: Programs, service: ServiceProcess) -> None:
    client = service.client
    image_id = client.create(name="old", os_type="linux", tags=["a", "b"])
    client.upload(image_id, b"data")
    programs.run(
        "openstack", "image", "set", image_id, "--name", "new", "--property", "os_distro=linux", "--tag", "c",
        "--min-disk", "2", "--private", "--hidden", "--deactivate",
    )  # fmt: skip
    image = client.show(image_id)
    told = {"name": "new", "os_distro": "linux", "min_disk": 2, "visibility": "private", "os_hidden": True}
    assert {**told, "status": "deactivated", "tags": ["a", "b", "c"]}.items() <= image.items()
    programs.run("openstack", "image", "unset", image_id, "--tag", "a", "--property", "os_type")
    programs.run("openstack", "image", "set", image_id, "--activate", "--unhidden")
    image = client.show(image_id)
    assert (image["status"], image["tags"], "os_type" in image) == ("active", ["b", "c"], False)
    client.delete(image_id)


def test_images_are_listed(programs: Programs, service: ServiceProcess) -> None:
    client = service.client
    made = [client.create(name=name, tags=["listed"], os_type=name) for name in "abc"]
    listed = programs.json("openstack", "image", "list", "--tag", "listed", "--sort", "name:asc", "--long")
    assert [image["Name"] for image in listed] == list("abc")
    (found,) = programs.json("openstack", "image", "list", "--property", "os_type=b")
    assert found["ID"] == made[1]
    assert programs.json("openstack", "image", "list", "--name", "nobody") == []
    for image_id in made:
        client.delete(image_id)


def test_stores_are_listed(programs: Programs) -> None:
    stores = programs.json("openstack", "image", "stores", "list", "--detail")
    assert [store["ID"] for store in stores] == ["fast", "slow"]
