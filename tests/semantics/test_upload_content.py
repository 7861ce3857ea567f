"""SEMANTICS of uploads: content that is not what `disk_format` says, or not safe, is 415 and leaves nothing."""

from __future__ import annotations

import pytest

from tests.inspection import headers as formats
from tests.semantics.house import House, Tenant

REFUSED: dict[str, tuple[str, str, bytes, str]] = {
    "qcow2 with no bytes": ("qcow2", "bare", b"", "empty"),
    "qcow2 that is not": ("qcow2", "bare", b"not a disk at all" * 100, "not of the image's disk_format qcow2"),
    "qcow2 that is an ISO": ("qcow2", "bare", formats.iso(), "looks like iso"),
    "qcow2 with a backing file": ("qcow2", "bare", formats.qcow2(backing=512), "backing file"),
    "qcow2 with a data file": ("qcow2", "bare", formats.qcow2(features=4), "data_file"),
    "VMDK with foreign extents": (
        "vmdk", "bare", formats.vmdk(text=formats.descriptor(extents='RW 8 SPARSE "/etc/passwd"')), "not safe",
    ),
    "in a container, not safe": ("qcow2", "ovf", formats.qcow2(backing=512), "backing file"),
}  # fmt: skip


def assert_refused(tenant: Tenant, row: tuple[str, str, bytes, str], *headers: tuple[str, str], chunked: bool) -> None:
    disk_format, container_format, content, said = row
    image_id = tenant.create(disk_format=disk_format, container_format=container_format)
    answer = tenant.put_framed(image_id, content, *headers, chunked=chunked)
    assert (answer.status, answer.json["code"]) == (415, "content-refused")
    assert said in answer.message
    tenant.assert_refused_without_trace(image_id, retry=formats.GOOD[disk_format])


@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_refused_and_undone(house: House, subtests: pytest.Subtests, chunked: bool) -> None:
    for name, row in REFUSED.items():
        with subtests.test(name):
            assert_refused(Tenant(house), row, chunked=chunked)


@pytest.mark.usefixtures("each_storage")
def test_undone_in_any_store(tenant: Tenant) -> None:
    assert_refused(tenant, REFUSED["qcow2 that is an ISO"], chunked=True)


def test_refused_in_several_stores(all_tenant: Tenant) -> None:
    assert_refused(all_tenant, REFUSED["qcow2 with a backing file"], ("X-Image-Meta-Store", "fast,slow"), chunked=False)
