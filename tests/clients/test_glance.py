"""The command `glance` (python-glanceclient), unchanged, against the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.conftest import Programs
from tests.support.service import ServiceProcess
from tests.support.waiting import until

pytestmark = pytest.mark.long
FORMATS = ("--disk-format", "raw", "--container-format", "bare")


class Glance:
    """`glance`, its tables read."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def __call__(self, *arguments: str, pipe: Path | None = None) -> dict[str, str]:
        """The rows of two columns by their first one; of more columns only the first two."""
        printed = self._programs.run("glance", *arguments, pipe=pipe)
        return dict(re.findall(r"^\| (\S+) +\| (.*?) +\|", printed, re.MULTILINE))


def test_image_goes_in_from_a_file_and_comes_out(programs: Programs, service: ServiceProcess, data: Path) -> None:
    glance, copy = Glance(programs), data.parent / "copy"
    created = glance(
        "image-create", *FORMATS, "--name", "first", "--file", str(data), "--store", "slow", "--property",
        "os_type=linux", "--tags", "a", "--min-ram", "64", "--visibility", "community",
    )  # fmt: skip
    image_id = created["id"]
    told = {"status": "active", "size": "300000", "stores": "slow", "os_type": "linux", "min_ram": "64"}
    assert told.items() <= created.items()
    assert service.objects("slow") == [image_id]
    assert glance("image-show", image_id) == created
    programs.run("glance", "image-download", "--file", str(copy), image_id)
    assert copy.read_bytes() == data.read_bytes()
    glance("image-delete", image_id)
    assert service.objects("slow") == []


def test_image_goes_in_through_a_pipe(programs: Programs, service: ServiceProcess, data: Path) -> None:
    glance = Glance(programs)
    created = glance("image-create", *FORMATS, "--name", "piped", pipe=data)
    assert {"status": "active", "size": "300000", "stores": "fast"}.items() <= created.items()
    assert service.client.download(created["id"]).body == data.read_bytes()
    queued = service.client.create(name="later")
    glance("image-upload", "--store", "slow", queued, pipe=data)
    assert service.client.show(queued)["stores"] == "slow"
    glance("image-delete", created["id"], queued)
    assert service.objects() == []


def test_image_is_changed_tagged_and_deactivated(programs: Programs, service: ServiceProcess) -> None:
    glance, client = Glance(programs), service.client
    image_id = client.create(name="old", os_type="linux", os_distro="debian")
    client.upload(image_id, b"data")
    changed = glance(
        "image-update", image_id, "--name", "new", "--property", "os_type=windows", "--property", "hw_disk_bus=scsi",
        "--remove-property", "os_distro", "--protected", "True", "--hidden", "True", "--min-disk", "2",
    )  # fmt: skip
    told = {"name": "new", "os_type": "windows", "hw_disk_bus": "scsi", "protected": "True", "min_disk": "2"}
    assert told.items() <= changed.items()
    assert "os_distro" not in changed
    glance("image-tag-update", image_id, "blue")
    assert client.show(image_id)["tags"] == ["blue"]
    glance("image-tag-delete", image_id, "blue")
    glance("image-deactivate", image_id)
    assert (client.show(image_id)["status"], client.show(image_id)["tags"]) == ("deactivated", [])
    glance("image-reactivate", image_id)
    glance("image-update", image_id, "--protected", "False")
    glance("image-delete", image_id)
    assert client.get(f"/v2/images/{image_id}").status == 404


def test_images_are_listed_in_pages_and_by_filters(programs: Programs, service: ServiceProcess) -> None:
    glance, client = Glance(programs), service.client
    made = {client.create(name=name, tags=["listed"], os_type=name): name for name in "abc"}
    listed = glance("image-list", "--page-size", "2", "--tag", "listed", "--sort", "name:asc")
    assert list(listed) == ["ID", *made]
    assert list(glance("image-list", "--property-filter", "os_type=b").values()) == ["Name", "b"]
    assert list(glance("image-list", "--visibility", "public")) == ["ID"]
    for image_id in made:
        client.delete(image_id)


def test_image_is_copied_to_another_store(programs: Programs, service: ServiceProcess, data: Path) -> None:
    glance, copy = Glance(programs), data.parent / "copy"
    image_id = glance("image-create", *FORMATS, "--name", "copied", "--file", str(data), "--store", "fast")["id"]
    begun = glance("image-import", image_id, "--import-method", "copy-image", "--stores", "slow")
    assert begun["os_glance_importing_to_stores"] in ("slow", "")
    shown = copied(glance, image_id)
    assert {"status": "active", "stores": "fast,slow", "os_glance_failed_import": ""}.items() <= shown.items()
    assert service.objects("slow") == [f"{image_id}.2"]
    glance("stores-delete", "--store", "fast", image_id)
    assert service.objects("fast") == []
    programs.run("glance", "image-download", "--file", str(copy), image_id)
    assert copy.read_bytes() == data.read_bytes()
    everywhere = ("--import-method", "copy-image", "--all-stores", "True", "--allow-failure", "False")
    glance("image-import", image_id, *everywhere)
    assert copied(glance, image_id)["stores"] == "slow,fast"
    glance("image-delete", image_id)
    assert service.objects() == []


def copied(glance: Glance, image_id: str) -> dict[str, str]:
    """The image, when no copy of it is under way any more."""
    until(lambda: glance("image-show", image_id)["os_glance_importing_to_stores"] == "")
    return glance("image-show", image_id)


def test_service_tells_of_itself(programs: Programs) -> None:
    assert "the slow one" in programs.run("glance", "stores-info")
    assert "total_bytes" in programs.run("glance", "stores-info", "--detail")
    assert "image_count_total" in programs.run("glance", "usage")
    assert "import-methods" in programs.run("glance", "import-info")


def test_image_is_shared_and_accepted(programs: Programs, service: ServiceProcess) -> None:
    """The client is the project `default`: first the owner, then the member."""
    glance, other = Glance(programs), service.client.of("other")
    mine, theirs = service.client.create(), other.create()
    assert glance("member-create", mine, "other")[mine] == "other"
    assert glance("member-list", "--image-id", mine)[mine] == "other"
    glance("member-delete", mine, "other")
    assert mine not in glance("member-list", "--image-id", mine)
    assert other.post(f"/v2/images/{theirs}/members", {"member": "default"}).status == 200
    listed = ("image-list", "--visibility", "shared", "--member-status", "accepted")
    assert theirs not in glance(*listed)
    glance("member-update", theirs, "default", "accepted")
    assert theirs in glance(*listed)
