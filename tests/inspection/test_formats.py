"""What inspection takes and what it refuses, by images made by hand."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.transfers.inspection import PIECE
from tests.inspection import headers
from tests.inspection.headers import GOOD, KIB, VIRTUAL_SIZES
from tests.inspection.looking import inspect, tap_for

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
    "broken footer": headers.vmdk(directory=2**64 - 1),
}

UNSAFE = {
    "qcow2 backing file": ("qcow2", headers.qcow2(backing=0x200), "Image has a backing file"),
    "qcow2 backing file, version 2": ("qcow2", headers.qcow2(version=2, backing=0x200), "Image has a backing file"),
    "qcow2 data file": ("qcow2", headers.qcow2(features=4), "Image has data_file set"),
    "qcow2 unknown feature": ("qcow2", headers.qcow2(features=1 << 40), "Unknown QCOW2 features found"),
    "qcow2 version 1": ("qcow2", headers.qcow2(version=1), "Unsupported qcow2 version"),
    "qcow2 version 4": ("qcow2", headers.qcow2(version=4), "Unsupported qcow2 version"),
    "qcow2 absurd size": ("qcow2", headers.qcow2(size=2**63), "Virtual size is larger than any disk"),
    "gpt boot flag": ("gpt", headers.gpt(boot_flag=7), "invalid boot flag"),
    "gpt first sector": ("gpt", headers.gpt(first_sector=5), "invalid start LBA"),
    "gpt without partitions": ("gpt", headers.gpt(kind=0), "no partitions"),
    "luks version 2": ("luks", headers.luks(version=2), "LUKS version 2 is not supported"),
    "qed": ("qed", headers.qed(), "This file format is not allowed"),
    "iso with qcow2 inside": ("iso", headers.iso(start=headers.qcow2(backing=1)), "Content is qcow2 too"),
    "gpt with qcow2 inside": ("gpt", headers.gpt(start=headers.qcow2()[:104]), "Content is qcow2 too"),
    "vdi with qcow2 inside": ("vdi", headers.vdi(start=headers.qcow2()[:32]), "Content is qcow2 too"),
    **{f"vmdk {name}": ("vmdk", image, "not safe") for name, image in FOREIGN.items()},
}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_image_passes_and_its_virtual_size_is_found(name: str) -> None:
    assert inspect(GOOD[name], name) == {"content_format": name, "virtual_size": VIRTUAL_SIZES[name]}


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
    for content in (b"x", bytes(511), bytes(3 * PIECE), b"text\n" * 20_000, GOOD.get(claimed, b"?")[:100]):
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
    assert inspect(GOOD["vdi"], "qcow2", "ova") == {"content_format": "vdi"}


UNSAFE_AT_ONCE = [
    ("qcow2", image.ljust(PIECE, b"\0")) for image in (headers.qcow2(backing=1), headers.qcow2(features=4))
]


def test_refused_as_soon_as_the_headers_are_there() -> None:
    for name, first in [*((name, bytes(PIECE)) for name in GOOD), *UNSAFE_AT_ONCE]:
        tap = tap_for(name)
        assert tap is not None
        with pytest.raises(errors.ContentRefused, match="not safe" if any(first) else "not of"):
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
    with pytest.raises(errors.ContentRefused, match="not safe"):
        inspect(good + b"x" * 512, "vmdk")
