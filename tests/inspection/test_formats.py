"""What inspection takes and what it refuses, by images made by hand."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.transfers.inspection import PIECE, FormatInspection
from tests.inspection import headers
from tests.inspection.headers import GOOD, KIB, VIRTUAL_SIZES
from tests.inspection.looking import attempt_of, inspect, push, tap_for

FOREIGN = {
    "extents by path": headers.vmdk(text=headers.descriptor(extents='RW 8 SPARSE "/etc/passwd"')),
    "flat": headers.vmdk(text=headers.descriptor(kind="monolithicFlat", extents='RW 8 FLAT "other" 0')),
    "descriptor alone": headers.descriptor(extents='RW 8 SPARSE "other"'),
    "no capacity": headers.vmdk(sectors=0),
    "no extents": headers.vmdk(text=headers.descriptor(extents="")),
    "parent's name": headers.vmdk(text=headers.descriptor(more='parentFileNameHint="/etc/passwd"\n')),
    "parent's identity": headers.vmdk(text=headers.descriptor().replace(b"ffffffff", b"0a0b0c0d")),
    "unknown line": headers.vmdk(text=headers.descriptor(more="surprise\n")),
    "no descriptor": headers.vmdk(text=b"\xff\xfe"),
    "parent's name behind its descriptor": headers.vmdk(
        text=headers.descriptor().ljust(512, b"\n") + b'parentFileNameHint="/etc/passwd"\n', told=1
    ),
    "two extents": headers.vmdk(text=headers.descriptor(extents='RW 8 SPARSE "a"\nRW 8 SPARSE "b"')),
    "extent of another kind": headers.vmdk(text=headers.descriptor(extents='RW 8 FLAT "other" 0')),
    "extent by a path of Windows": headers.vmdk(text=headers.descriptor(extents='RW 8 SPARSE "..\\other"')),
    "extent behind another end of a line": headers.vmdk(text=headers.descriptor(more='#\rRW 8 SPARSE "/etc/passwd"\n')),
    "older header": b"COWD".ljust(KIB, b"\0"),
    "broken footer": headers.vmdk(directory=2**64 - 1),
}

PARAMETERS = headers.VHDX_PARAMETERS
NOT_ASCII = headers.descriptor(extents='RW 8 SPARSE "disk.vmdk"').replace(b"disk", "\u00fc\u6f22".encode())


NAMES_FILES = b'# \xfc\n\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n\0'
"""What qemu opens as VMDK, although no 512 bytes of it are a text."""


def other_table() -> bytes:
    image = bytearray(headers.vhdx())
    image[256 * KIB + 16] ^= 1
    return bytes(image)


def broken_header() -> bytes:
    image = bytearray(headers.vhdx(logs=(0, 1)))
    image[65 * KIB] ^= 1
    return bytes(image)


RECOGNIZED = ("qcow2", "vhd", "vhdx", "vdi", "qed")

UNSAFE = {
    "qcow2 backing file": ("qcow2", headers.qcow2(backing=0x200), "Image has a backing file"),
    "qcow2 backing file, version 2": ("qcow2", headers.qcow2(version=2, backing=0x200), "Image has a backing file"),
    "qcow2 data file": ("qcow2", headers.qcow2(features=4), "Image has data_file set"),
    "qcow2 unknown feature": ("qcow2", headers.qcow2(features=1 << 40), "Unknown QCOW2 features found"),
    "qcow2 next feature": ("qcow2", headers.qcow2(features=32), "Unknown QCOW2 features found"),
    "qcow2 version 1": ("qcow2", headers.qcow2(version=1), "Unsupported qcow2 version"),
    "qcow2 version 4": ("qcow2", headers.qcow2(version=4), "Unsupported qcow2 version"),
    "qcow2 absurd size": ("qcow2", headers.qcow2(size=2**63), "Virtual size is larger than any disk"),
    "gpt boot flag": ("gpt", headers.gpt(boot_flag=7), "invalid boot flag"),
    "gpt first sector": ("gpt", headers.gpt(first_sector=5), "invalid start LBA"),
    "gpt without partitions": ("gpt", headers.gpt(kind=0), "no partitions"),
    "luks version 2": ("luks", headers.luks(version=2), "LUKS version 2 is not supported"),
    "qed": ("qed", headers.qed(), "This file format is not allowed"),
    "vhd differencing": ("vhd", headers.vhd(kind=4, end=4), "Image has a parent"),
    "vhd differencing at its start": ("vhd", headers.vhd(kind=4), "Image has a parent"),
    "vhd differencing at its end": ("vhd", headers.vhd(end=4), "Image has a parent"),
    "vhd of two types": ("vhd", headers.vhd(end=2), "unknown or ambiguous"),
    "vhd of two sizes": ("vhd", headers.vhd()[:512] + bytes(512) + headers.vhd(size=2**50)[-512:], "two sizes differ"),
    "vhd of no type": ("vhd", headers.vhd(kind=0, end=0), "unknown or ambiguous"),
    "vhd fixed, differencing": ("vhd", bytes(5 * PIECE) + headers.vhd_footer(kind=4), "Image has a parent"),
    "vhd that is a vdi": (
        "vhd",
        headers.vhd()[:64] + headers.vdi()[64:68] + headers.vhd()[68:],
        "Content is vdi too",
    ),
    "vhdx with HasParent": ("vhdx", headers.vhdx(flags=2), "Image has a parent"),
    "vhdx with a parent's place": ("vhdx", headers.vhdx(items=(PARAMETERS, headers.VHDX_PARENT)), "Image has a parent"),
    "vhdx with two parameters": ("vhdx", headers.vhdx(items=(PARAMETERS, PARAMETERS)), "incomplete or ambiguous"),
    "vhdx without parameters": ("vhdx", headers.vhdx(items=()), "incomplete or ambiguous"),
    "vhdx with another table": ("vhdx", other_table(), "two tables of regions differ"),
    "vhdx with a log": ("vhdx", headers.vhdx(logs=(1, 0)), "its log is not empty"),
    "vhdx with a log, its newer header broken": ("vhdx", broken_header(), "its log is not empty"),
    "vdi of another version": ("vdi", headers.vdi(version=1), "Its version is unknown"),
    "vdi differencing": ("vdi", headers.vdi(kind=4), "Image has a parent"),
    "vdi undo": ("vdi", headers.vdi(kind=3), "Image has a parent"),
    "vdi that continues another": ("vdi", headers.vdi(link=0x1A8), "Image has a parent"),
    "vdi with a parent": ("vdi", headers.vdi(link=0x1C7), "Image has a parent"),
    "vmdk with a parent, not in ASCII": (
        "vmdk",
        headers.vmdk(text=NOT_ASCII.replace(b"ffffffff", b"0a0b0c0d")),
        "Image has a parent",
    ),
    "vmdk with foreign extents, not in ASCII": (
        "vmdk",
        headers.vmdk(text=NOT_ASCII.replace(b'"', b'"/', 3)),
        "not safe",
    ),
    "udf with qcow2 inside": ("iso", headers.udf(start=headers.qcow2(backing=1)), "Content is qcow2 too"),
    "iso with qcow2 inside": ("iso", headers.iso(start=headers.qcow2(backing=1)), "Content is qcow2 too"),
    "gpt with qcow2 inside": ("gpt", headers.gpt(start=headers.qcow2()[:104]), "Content is qcow2 too"),
    "vdi with qcow2 inside": ("vdi", headers.vdi(start=headers.qcow2()[:32]), "Content is qcow2 too"),
    "iso with vmdk inside": ("iso", headers.iso(start=NAMES_FILES), "Content is vmdk too"),
    "udf with vmdk inside": ("iso", headers.udf(start=b"COWD"), "Content is vmdk too"),
    "gpt with vmdk inside": ("gpt", headers.gpt(start=NAMES_FILES), "Content is vmdk too"),
    "vdi with vmdk inside": ("vdi", headers.vdi(start=b"version=1\n"), "Content is vmdk too"),
    **{f"vmdk {name}": ("vmdk", image, "not safe") for name, image in FOREIGN.items()},
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_image_passes_and_its_virtual_size_is_found(name: str) -> None:
    assert inspect(GOOD[name], name) == {"content_format": name, "virtual_size": VIRTUAL_SIZES[name]}


GOOD_TOO: dict[str, tuple[str, bytes, int | None]] = {
    "vhd, fixed": ("vhd", bytes(5 * PIECE) + headers.vhd_footer(), headers.SIZE),
    "vhd, fixed, of a disk that boots": ("vhd", headers.gpt(boot_flag=7) + headers.vhd_footer(), headers.SIZE),
    "vhd, fixed, smaller than a piece": ("vhd", bytes(512) + headers.vhd_footer(), headers.SIZE),
    "vhd, fixed, with another inside": (
        "vhd", bytes(PIECE - 512) + headers.vhd_footer(kind=4) + bytes(512) + headers.vhd_footer(), headers.SIZE,
    ),
    "qcow2 with extended_l2": ("qcow2", headers.qcow2(features=16), headers.SIZE),
    "qcow2 version 2 with an extension": ("qcow2", headers.qcow2(version=2, features=4), headers.SIZE),
    "vmdk with a name in UTF-8": ("vmdk", headers.vmdk(text=NOT_ASCII), headers.SIZE),
    "vmdk, windows-1252": ("vmdk", headers.vmdk(text=NOT_ASCII.replace(b"desc", b"d\xe9sc")), headers.SIZE),
    "vhdx with two headers": ("vhdx", headers.vhdx(logs=(0, 0)), headers.SIZE),
    "vhdx with a log that was written": ("vhdx", headers.vhdx(logs=(0, 1)), headers.SIZE),
    "udf": ("iso", headers.udf(), None),
    "udf, large sectors": ("iso", headers.udf(found=b"NSR02", stride=4096), None),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD_TOO)
def test_good_image_that_oslo_utils_refuses_passes(case: str) -> None:
    disk_format, image, virtual_size = GOOD_TOO[case]
    found = {"content_format": disk_format, "virtual_size": virtual_size}
    assert inspect(image, disk_format) == {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("claimed", sorted(GOOD))
def test_other_format_is_refused_and_both_are_named(claimed: str) -> None:
    others = {name: image for name, image in {**GOOD, "qed": headers.qed()}.items() if name != claimed}
    for found, image in others.items():
        with pytest.raises(errors.ContentRefused, match=f"looks like {found}") as caught:
            inspect(image, claimed)
        assert caught.value.status == 415
        assert f"disk_format {claimed}" in caught.value.message


@pytest.mark.parametrize("claimed", sorted([*GOOD, "qed"]))
def test_unrecognised_content_is_refused(claimed: str) -> None:
    """A header that ends early is none."""
    half_udf = [headers.udf(found=b"CDW02"), headers.udf().replace(b"BEA01", b"BEA02")]
    for content in (b"x", bytes(511), bytes(3 * PIECE), b"text\n" * 20_000, GOOD.get(claimed, b"?")[:100], *half_udf):
        with pytest.raises(errors.ContentRefused, match=f"not of the image's disk_format {claimed}"):
            inspect(content, claimed)


@pytest.mark.parametrize("case", sorted(UNSAFE))
def test_content_that_is_not_safe_is_refused_with_the_reason(case: str) -> None:
    """In whatever container."""
    disk_format, image, reason = UNSAFE[case]
    for container in ("bare", "ovf"):
        with pytest.raises(errors.ContentRefused, match=reason) as caught:
            inspect(image, disk_format, container)
        assert "not safe" in caught.value.message


@pytest.mark.parametrize("name", sorted([*GOOD, "qed", "ami", "ari", "aki", "ploop"]))
def test_no_bytes_are_refused_unless_raw(name: str) -> None:
    with pytest.raises(errors.ContentRefused, match="empty"):
        inspect(b"", name)
    with pytest.raises(errors.ContentRefused, match="empty"):
        tap_for(name, size=0)


def test_raw_takes_anything_and_its_virtual_size_is_its_size() -> None:
    for content in (b"", *GOOD.values()):
        assert inspect(content, "raw") == {"content_format": "raw", "virtual_size": len(content)}
    assert tap_for("raw", size=0) is not None


@pytest.mark.parametrize("name", ["ami", "ari", "aki", "ploop"])
def test_format_without_inspector_passes(name: str) -> None:
    for container in ("bare", "ami"):
        assert inspect(b"anything", name, container) == {}


@pytest.mark.parametrize("container", ["ova", "ovf", "docker", "compressed"])
def test_mismatch_in_a_container_is_no_refusal(container: str) -> None:
    for name in (*GOOD, "raw", "ami"):
        for content in (b"", b"\x1f\x8b anything", bytes(5 * PIECE)):
            assert inspect(content, name, container) in ({}, {"content_format": "unrecognized"})


def test_what_a_container_holds_is_recorded() -> None:
    assert inspect(GOOD["qcow2"], "qcow2", "ova") == {"content_format": "qcow2", "virtual_size": headers.SIZE}
    assert inspect(GOOD["vdi"], "qcow2", "ova") == {"content_format": "vdi", "virtual_size": headers.SIZE}
    assert inspect(GOOD["iso"], "qcow2", "ova") == {"content_format": "iso"}


@pytest.mark.parametrize("case", sorted(UNSAFE))
def test_without_a_match_required_content_is_refused_for_what_it_is(case: str) -> None:
    disk_format, image, reason = UNSAFE[case]
    claimed_too = {"luks"} if disk_format in RECOGNIZED and "inside" not in case and "fixed" not in case else set()
    for claimed in {disk_format, *claimed_too}:
        with pytest.raises(errors.ContentRefused, match=reason):
            push(FormatInspection(require_match=False)(attempt_of(claimed), size=None), [image])


def test_without_a_match_required_other_content_passes() -> None:
    lenient = FormatInspection(require_match=False)
    for name, image in GOOD.items():
        for claimed in GOOD:
            found = push(lenient(attempt_of(claimed), size=None), [image])
            assert name in str(found["content_format"])
    for claimed in GOOD:
        assert push(lenient(attempt_of(claimed), size=None), [b"text"]) == {"content_format": "unrecognized"}
        with pytest.raises(errors.ContentRefused, match="empty"):
            push(lenient(attempt_of(claimed), size=None), [])


UNSAFE_AT_ONCE = [
    (name, image.ljust(PIECE, b"\0"), "not safe")
    for name, images in {
        "qcow2": [headers.qcow2(backing=1), headers.qcow2(features=4)],
        "vhd": [headers.vhd(kind=4)],
        "vdi": [headers.vdi(kind=4)],
    }.items()
    for image in images
]


def test_refused_as_soon_as_the_headers_are_there() -> None:
    early = [(name, bytes(PIECE), "not of") for name in GOOD if name != "vhd"]  # a fixed one begins with anything
    other = ("vhd", GOOD["vdi"].ljust(PIECE, b"\0"), "looks like vdi")
    for name, first, reason in [*early, other, *UNSAFE_AT_ONCE]:
        tap = tap_for(name)
        assert tap is not None
        with pytest.raises(errors.ContentRefused, match=reason):
            tap.write(first)
        tap.close()


def test_hybrid_iso_is_an_iso() -> None:
    hybrid = headers.iso(start=headers.gpt()[:512])
    assert inspect(hybrid, "iso")["content_format"] == "iso"
    assert inspect(hybrid, "gpt")["content_format"] == "gpt"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_caller_may_change_its_buffer_after_each_chunk(name: str) -> None:
    tap = tap_for(name)
    assert tap is not None
    buffer = bytearray(3 * KIB)
    for start in range(0, len(GOOD[name]), len(buffer)):
        part = GOOD[name][start : start + len(buffer)]
        buffer[: len(part)] = part
        view = memoryview(buffer)[: len(part)]
        tap.write(view)
        view.release()
        buffer[:] = b"\xaa" * len(buffer)
    buffer.extend(b"grown")
    assert tap.finish()["virtual_size"] == VIRTUAL_SIZES[name]
    tap.close()


def test_long_image_of_a_counted_format_is_measured_whole() -> None:
    tail = bytes(3 * PIECE + 17)
    assert inspect(GOOD["gpt"] + tail, "gpt")["virtual_size"] == len(GOOD["gpt"]) + len(tail)
    assert inspect(GOOD["luks"] + tail, "luks")["virtual_size"] == 10 * 512 + len(tail)


def test_good_streamed_vmdk_footer_is_checked_at_the_end() -> None:
    end = 2**64 - 1
    head = headers.vmdk(directory=end)
    marker = (bytes(8) + (0).to_bytes(4, "little") + (3).to_bytes(4, "little")).ljust(512, b"\0")
    footer = headers.vmdk(directory=7)[:512]
    good = head + bytes(5 * PIECE) + marker + footer + bytes(512)
    assert inspect(good, "vmdk")["virtual_size"] == headers.SIZE
    other = headers.vmdk(directory=7, sectors=2**40)[:512]
    for bad in (good + b"x" * 512, head + marker + other + bytes(512)):
        with pytest.raises(errors.ContentRefused, match="not safe"):
            inspect(bad, "vmdk")
