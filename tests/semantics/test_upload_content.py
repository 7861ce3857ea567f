"""SEMANTICS of uploads: content that is not what `disk_format` says, or not safe, is 415 and leaves nothing."""

from __future__ import annotations

import pytest

from tests.inspection import headers as formats
from tests.semantics.house import Tenant

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


@pytest.mark.parametrize(("disk_format", "container_format", "content", "said"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_refused_and_nothing_is_left(
    tenant: Tenant, disk_format: str, container_format: str, content: bytes, said: str, chunked: bool
) -> None:
    image_id = tenant.create(disk_format=disk_format, container_format=container_format)
    answer = tenant.put_framed(image_id, content, chunked=chunked)
    assert (answer.status, answer.json["code"]) == (415, "content-refused")
    assert said in answer.message
    tenant.assert_refused_without_trace(image_id, retry=formats.GOOD[disk_format])
