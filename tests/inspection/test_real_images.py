"""Inspection of images that real tools make."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from imgstore import errors
from tests.inspection.headers import VHDX_PARAMETERS
from tests.inspection.looking import inspect
from tests.needs import REAL_ISO, needs, needs_real_iso

pytestmark = [
    needs("qemu-img", why="real disk images are made with it"),
    needs_real_iso(),
]

SIZE = 16 * 1024 * 1024
STEP = 1024 * 1024

VARIANTS = {
    "qcow2": ("qcow2", "qcow2", ""),
    "qcow2 version 2": ("qcow2", "qcow2", "compat=0.10"),
    "qcow2 small clusters": ("qcow2", "qcow2", "cluster_size=512"),
    "qcow2 preallocated": ("qcow2", "qcow2", "preallocation=metadata"),
    "qcow2 zstd": ("qcow2", "qcow2", "compression_type=zstd"),
    "qcow2 with subclusters": ("qcow2", "qcow2", "extended_l2=on"),
    "vmdk": ("vmdk", "vmdk", ""),
    "vmdk streamed": ("vmdk", "vmdk", "subformat=streamOptimized"),
    "vhd": ("vpc", "vhd", "force_size=on"),
    "vhd fixed": ("vpc", "vhd", "subformat=fixed,force_size=on"),
    "vhdx": ("vhdx", "vhdx", ""),
    "vhdx fixed": ("vhdx", "vhdx", "subformat=fixed"),
    "vdi": ("vdi", "vdi", ""),
    "vdi static": ("vdi", "vdi", "static=on"),
}


def qemu_img(*arguments: object) -> str:
    done = subprocess.run(["qemu-img", *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk with some data in it."""
    path = tmp_path_factory.mktemp("images") / "disk.raw"
    with path.open("wb") as file:
        file.truncate(SIZE)
        for at in range(0, SIZE, SIZE // 8):
            file.seek(at)
            file.write(bytes(range(256)) * 64)
    return path


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_converted_image_passes_with_the_virtual_size_of_qemu(variant: str, disk: Path, tmp_path: Path) -> None:
    qemu_format, disk_format, options = VARIANTS[variant]
    image = tmp_path / "image"
    qemu_img("convert", "-O", qemu_format, *(["-o", options] if options else []), disk, image)
    told = json.loads(qemu_img("info", "--output=json", "-f", qemu_format, image))
    found = inspect(image.read_bytes(), disk_format, step=STEP)
    assert found == {"content_format": disk_format, "virtual_size": told["virtual-size"]}


def test_real_hybrid_iso_is_both_a_cd_and_a_disk_with_partitions_and_nothing_else() -> None:
    iso = REAL_ISO.read_bytes()
    for disk_format in ("iso", "gpt"):
        assert inspect(iso, disk_format, step=STEP) == {"content_format": disk_format, "virtual_size": len(iso)}
    for disk_format in ("qcow2", "vmdk", "vhd", "vhdx", "vdi", "luks"):
        with pytest.raises(errors.ContentRefused, match="looks like iso"):
            inspect(iso, disk_format, step=STEP)


UNSAFE: dict[str, tuple[str, tuple[str, ...], str]] = {
    "backing file": ("qcow2", ("-b", "{disk}", "-F", "raw"), "backing file"),
    "external data file": ("qcow2", ("-o", "data_file={data}"), "data_file"),
    **{
        subformat: ("vmdk", ("-o", f"subformat={subformat}"), "not safe")
        for subformat in ("monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat")
    },
    "qed": ("qed", (), "not allowed"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_image_of_other_files_or_of_a_format_that_is_not_allowed_is_refused(
    case: str, disk: Path, tmp_path: Path
) -> None:
    disk_format, options, reason = UNSAFE[case]
    image = tmp_path / f"image.{disk_format}"
    options = tuple(option.format(disk=disk, data=tmp_path / "data.raw") for option in options)
    qemu_img("create", "-f", disk_format, *options, image, SIZE)
    with pytest.raises(errors.ContentRefused, match=reason):
        inspect(image.read_bytes(), disk_format)


def test_vmdk_with_a_parent_is_refused(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent.vmdk", tmp_path / "child.vmdk"
    qemu_img("create", "-f", "vmdk", parent, SIZE)
    qemu_img("create", "-f", "vmdk", "-b", parent, "-F", "vmdk", child)
    assert inspect(parent.read_bytes(), "vmdk")["virtual_size"] == SIZE
    with pytest.raises(errors.ContentRefused, match="Image has a parent"):
        inspect(child.read_bytes(), "vmdk")


def changed(image: Path, at: int, layout: str, value: int) -> bytes:
    """The image with another number at a place."""
    data = bytearray(image.read_bytes())
    struct.pack_into(layout, data, at, value)
    return bytes(data)


def test_real_image_that_was_given_a_parent_is_refused(disk: Path, tmp_path: Path) -> None:
    """Tools that make such images are rare: the mark of a parent is put into good ones."""
    images = {name: tmp_path / name for name in ("vpc", "vdi", "vhdx")}
    for name, image in images.items():
        qemu_img("convert", "-O", name, disk, image)
    vhdx = images["vhdx"].read_bytes()
    table, entry = vhdx.index(b"metadata"), vhdx.index(uuid.UUID(VHDX_PARAMETERS).bytes_le)
    flags = table + int.from_bytes(vhdx[entry + 16 : entry + 20], "little") + 4
    for name, data in {
        "vhd": changed(images["vpc"], 60, ">I", 4), "vdi": changed(images["vdi"], 0x4C, "<I", 4),
        "vhdx": changed(images["vhdx"], flags, "<I", 2),
    }.items():  # fmt: skip
        with pytest.raises(errors.ContentRefused, match="Image has a parent"):
            inspect(data, name, step=STEP)


def test_luks_is_known(tmp_path: Path) -> None:
    image = tmp_path / "image.luks"
    secret = "secret,id=s,data=correct-horse"
    create = ("create", "-f", "luks", "--object", secret, "-o", "key-secret=s,iter-time=10", image, 1024 * 1024)
    for _ in range(50):  # qemu-img gives up where its CPU clock did not tick while it measured the key derivation
        with contextlib.suppress(subprocess.CalledProcessError):
            qemu_img(*create)
            break
    found = inspect(image.read_bytes(), "luks", step=STEP)
    assert found == {"content_format": "luks", "virtual_size": 1024 * 1024}


def test_real_image_that_was_cut_keeps_its_format_but_a_cut_header_does_not(disk: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    qemu_img("convert", "-O", "qcow2", disk, image)
    data = image.read_bytes()

    assert inspect(data[:4096], "qcow2")["virtual_size"] == SIZE
    with pytest.raises(errors.ContentRefused):
        inspect(data[:256], "qcow2")
