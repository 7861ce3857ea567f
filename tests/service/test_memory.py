"""Memory is a formula (law 6): the size of an image is not in it. 2 GiB go in and out, so this takes a while."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.service import ServiceProcess

MEBIBYTE = 1 << 20
SIZE = 2048 * MEBIBYTE
ALLOWED = 100 * MEBIBYTE
BLOCK = bytes(range(256)) * (MEBIBYTE // 256)


def body() -> Iterator[bytes]:
    """SIZE bytes that are never in memory at once."""
    for number in range(SIZE // MEBIBYTE):
        yield number.to_bytes(8, "big") + BLOCK[8:]


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(SIZE)}], ids=["chunked", "known length"])
def test_law_6_two_gibibytes_take_less_than_100_mebibytes(service: ServiceProcess, headers: dict[str, str]) -> None:
    image_id, client = service.client.create(), service.client
    client.upload(client.create(), b"warm")
    service.forget_peak()
    idle = service.memory("VmRSS")
    assert client.upload(image_id, body(), headers=headers).status == 204
    assert service.memory("VmHWM") - idle < ALLOWED
    digest, path = hashlib.md5(), service.stores["fast"] / image_id
    with client.open_download(image_id) as download:
        while chunk := download.read(MEBIBYTE):
            digest.update(chunk)
    assert service.memory("VmHWM") - idle < ALLOWED
    assert digest.hexdigest() == client.show(image_id)["checksum"]
    assert path.stat().st_size == SIZE
    path.unlink()
