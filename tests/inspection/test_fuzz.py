"""Hostile bytes, however they are cut: only ContentRefused comes out of inspection, and always the same verdict."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_utils.imageutils import format_inspector

from imgstore import errors
from imgstore.transfers import inspection, inspectors
from tests.inspection import headers
from tests.inspection.looking import inspect, push, tap_for
from tests.inspection.test_formats import FOREIGN

SEEDS = [*headers.GOOD.values(), headers.qed(), headers.udf(), bytes(600) + headers.vhd_footer(), *FOREIGN.values()]
FORMATS = ["qcow2", "qed", "vhd", "vhdx", "vmdk", "vdi", "luks", "iso", "gpt"]
INTERESTING = [0, 1, 0x7F, 0x80, 0xFF]

formats = st.sampled_from(FORMATS)
containers = st.sampled_from(["bare", "ova"])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real header with a few bytes changed where parsers look, perhaps cut, perhaps prolonged."""
    image = bytearray(draw(st.sampled_from(SEEDS)))
    spots = st.one_of(st.integers(0, 700), st.integers(0, len(image) - 1), st.integers(192 * 1024, 192 * 1024 + 64))
    changes = st.lists(st.tuples(spots, st.binary(min_size=1, max_size=8)), max_size=6)
    for at, new in draw(changes):
        if at + len(new) <= len(image):
            image[at : at + len(new)] = new
    return bytes(image[: draw(st.integers(0, len(image)))]) if draw(st.booleans()) else bytes(image)


def cut(data: bytes, seed: int) -> Iterator[bytes | memoryview]:
    """`data` in chunks of random sizes, among them empty and huge ones, some as views."""
    choose = random.Random(seed)
    stream = io.BytesIO(data)
    while chunk := stream.read(choose.choice([1, 7, 63, 64, 512, 4096, 65535, 65536, 65537, 1 << 20])):
        yield memoryview(chunk) if choose.random() < 0.5 else chunk


def verdict(data: bytes, disk_format: str, container: str, chunks: Iterator[bytes | memoryview] | None = None) -> str:
    """What inspection says; any exception but ContentRefused fails the test."""
    pieces = iter([data]) if chunks is None else chunks
    try:
        return str(push(tap_for(disk_format, container), pieces))
    except errors.ContentRefused as refused:
        return refused.message


@given(data=st.one_of(st.binary(max_size=3000), mutated()), disk_format=formats, container=containers)
@settings(max_examples=300, deadline=None)
def test_hostile_bytes_are_refused_or_passed_and_nothing_else(data: bytes, disk_format: str, container: str) -> None:
    verdict(data, disk_format, container)


@given(data=mutated(), disk_format=formats, container=containers, seed=st.integers(0, 10**6))
@settings(max_examples=120, deadline=None)
def test_verdict_does_not_depend_on_the_chunks(data: bytes, disk_format: str, container: str, seed: int) -> None:
    assert verdict(data, disk_format, container, cut(data, seed)) == verdict(data, disk_format, container)


class Faulty(format_inspector.QcowInspector):
    """An inspector with a bug."""

    def post_process(self) -> None:
        raise ZeroDivisionError("a bug")


def test_inspector_that_raises_means_not_that_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inspectors._OURS, "qcow2", Faulty)
    with pytest.raises(errors.ContentRefused, match="not of the image's disk_format qcow2"):
        inspect(headers.qcow2(), "qcow2")
    assert inspect(headers.qcow2(), "qcow2", "ova") == {"content_format": "unrecognized"}


@pytest.mark.parametrize("metadata_at", [0, 100, 4096, 192 * 1024, 2**40, 2**64 - 1])
def test_vhdx_that_points_anywhere_is_refused(metadata_at: int) -> None:
    for item_length in (0, 7, 9, 2**31):
        with pytest.raises(errors.ContentRefused):
            inspect(headers.vhdx(metadata_at=metadata_at, item_length=item_length), "vhdx")


@pytest.mark.parametrize("name", sorted(headers.GOOD))
def test_memory_does_not_grow_with_the_image(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded memory: what the inspectors have captured, summed up, after a stream of 24 MiB."""
    made: list[format_inspector.FileInspector] = []

    def remembered(disk_format: str) -> format_inspector.FileInspector:
        inspector = inspectors.inspector_of(disk_format)
        assert inspector is not None
        made.append(inspector)
        return inspector

    monkeypatch.setattr(inspection, "inspector_of", remembered)
    filler = bytes(1 << 20)
    tap = tap_for(name)
    assert tap is not None
    tap.write(headers.GOOD[name])
    for _ in range(24):
        tap.write(filler)
    tap.finish()
    tap.close()
    assert 0 < sum(sum(inspector.context_info.values()) for inspector in made) <= 1 << 20
