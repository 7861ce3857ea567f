"""Bounded memory: the size of an image is not in the formula."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from imgstore.model import MIB
from tests.support.service import ServiceProcess

ALLOWED = 100 * MIB
BLOCK = bytes(range(256)) * (MIB // 256)


def body(size: int) -> Iterator[bytes]:
    """So many bytes, which are never in memory at once."""
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + BLOCK[8:]


@pytest.mark.parametrize(
    ("mebibytes", "is_known"),
    [(160, False), (160, True), pytest.param(640, False, marks=pytest.mark.long)],
)
def test_bounded_memory_whatever_the_image(service: ServiceProcess, mebibytes: int, is_known: bool) -> None:
    image_id, client, size = service.client.create(), service.client, mebibytes * MIB
    client.upload(client.create(), b"warm")
    service.forget_peak()
    idle = service.memory("VmRSS")
    headers = {"Content-Length": str(size)} if is_known else {}
    assert client.upload(image_id, body(size), headers=headers).status == 204
    assert service.memory("VmHWM") - idle < ALLOWED
    digest, path = hashlib.md5(), service.stores["fast"] / image_id
    with client.open_download(image_id) as download:
        while chunk := download.read(MIB):
            digest.update(chunk)
    assert service.memory("VmHWM") - idle < ALLOWED
    assert digest.hexdigest() == client.show(image_id)["checksum"]
    assert path.stat().st_size == size
    path.unlink()
