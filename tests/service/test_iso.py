"""A real, bootable ISO, and the disk images that qemu-img makes of it, go in by curl and come out the same."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.needs import REAL_ISO, needs, needs_real_iso
from tests.support.service import ServiceProcess

pytestmark = [
    needs("curl", why="a real client uploads and downloads a real ISO"),
    needs("qemu-img", why="real disk images are made of a real ISO"),
    needs_real_iso(),
]

OCTETS = ("--header", "Content-Type: application/octet-stream")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The ISO and what is made of it, by disk_format."""
    folder = tmp_path_factory.mktemp("images")
    made = {"iso": REAL_ISO}
    for disk_format in ("qcow2", "vmdk", "vhdx"):
        made[disk_format] = folder / f"installer.{disk_format}"
        convert = ["qemu-img", "convert", "-f", "raw", "-O", disk_format, str(REAL_ISO), str(made[disk_format])]
        subprocess.run(convert, capture_output=True, check=True)
    return made


def curl(*arguments: str) -> str:
    """What curl was answered: the status, as it prints it."""
    command = ["curl", "--silent", "--show-error", "--write-out", "%{http_code}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


CHUNKED = ("--header", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("disk_format", "store", "framing"),
    [("iso", "fast", ()), ("qcow2", "slow", CHUNKED), ("vmdk", "fast", CHUNKED), ("vhdx", "slow", ())],
)
def test_real_image_comes_out_identical_whole_and_by_ranges(
    shared_service: ServiceProcess,
    images: dict[str, Path],
    tmp_path: Path,
    disk_format: str,
    store: str,
    framing: Sequence[str],
) -> None:
    client, data, copy = shared_service.client, images[disk_format].read_bytes(), tmp_path / "copy"
    image_id = client.create(disk_format=disk_format, name="installer")
    url = f"{client.url}/v2/images/{image_id}/file"
    headers = [*OCTETS, "--header", f"X-Image-Meta-Store: {store}"]
    assert curl("--upload-file", str(images[disk_format]), *headers, *framing, url) == "204"
    image = client.show(image_id)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(data), store)
    assert image["virtual_size"] >= REAL_ISO.stat().st_size
    assert shared_service.objects(store).count(image_id) == 1
    assert curl("--output", str(copy), url) == "200"
    assert copy.read_bytes() == data
    middle = len(data) // 3
    for span, expected in (
        ("0-2047", data[:2048]),
        (f"{middle}-", data[middle:]),
        ("-5000", data[-5000:]),
        (f"{middle}-{middle}", data[middle : middle + 1]),
    ):
        assert curl("--output", str(copy), "--range", span, url) == "206"
        assert copy.read_bytes() == expected
    client.delete(image_id)


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk", "vhdx"])
def test_image_of_another_format_is_refused_and_can_be_tried_again(
    shared_service: ServiceProcess, images: dict[str, Path], tmp_path: Path, disk_format: str
) -> None:
    """The ISO under the wrong name, and a qcow2 with a backing file."""
    client, wrong = shared_service.client, [REAL_ISO]
    if disk_format == "qcow2":
        wrong.append(tmp_path / "overlay.qcow2")
        backing = ["qemu-img", "create", "-f", "qcow2", "-F", "qcow2", "-b", str(images["qcow2"]), str(wrong[1])]
        subprocess.run(backing, capture_output=True, check=True)
    image_id = client.create(disk_format=disk_format)
    url = f"{client.url}/v2/images/{image_id}/file"
    for each in wrong:
        assert curl("--upload-file", str(each), "--output", "/dev/null", *OCTETS, url) == "415"
        assert client.show(image_id)["status"] == "queued"
        assert not [key for key in shared_service.objects() if key.startswith(image_id)]
    assert curl("--upload-file", str(images[disk_format]), *OCTETS, url) == "204"
    client.delete(image_id)
