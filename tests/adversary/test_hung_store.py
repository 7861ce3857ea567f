"""Contained: a real store that accepts and never answers, beside one that works."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.client import OCTETS, first_line, read_answer
from tests.support.moto import MotoServer
from tests.support.service import Options, ServiceProcess
from tests.support.waiting import until

THREADS, SLOTS = 8, 4
DATA = b"data" * 1000


@pytest.fixture
def service(tmp_path: Path, moto: MotoServer) -> Iterator[ServiceProcess]:
    """The stores `fast`, a directory, and `slow`, a bucket on moto."""
    bucket = moto.bucket()
    options: Options = {
        "imgstore": {"enabled_stores": "fast:filesystem, slow:s3"},
        "service": {"threads": THREADS},
        "slow": {
            "datadir": None, "endpoint_url": bucket.endpoint, "bucket": bucket.name, "access_key": bucket.access_key,
            "secret_key": bucket.secret_key, "max_wait": 0.2,
        },
    }  # fmt: skip
    with ServiceProcess(tmp_path, options=options) as running:
        yield running


def test_a_store_that_hangs_harms_no_other_and_is_busy(service: ServiceProcess, moto: MotoServer) -> None:
    client, process = service.client, moto.child.process
    there = client.create()
    assert client.upload(there, DATA, store="slow").status == 204
    with ThreadPoolExecutor(2 * THREADS) as pool:
        process.send_signal(signal.SIGSTOP)
        try:
            uploads = [pool.submit(client.upload, client.create(), DATA, store="slow") for _ in range(2 * THREADS)]
            until(lambda: sum(each.done() for each in uploads) == len(uploads) - SLOTS)
            hung = [each for each in uploads if not each.done()]
            refused = [each.result() for each in uploads if each.done()]
            refused.append(client.download(there))
            headers = {**OCTETS, "X-Image-Meta-Store": "slow", "Expect": "100-continue", "Content-Length": "9"}
            with client.connect("PUT", f"/v2/images/{client.create()}/file", headers) as unsent:
                assert first_line(unsent) == b"HTTP/1.1 503", "no byte of the body is asked for"
                refused.append(read_answer(unsent))
            for _ in range(2 * THREADS):
                image = client.create()
                assert client.upload(image, DATA, store="fast").status == 204
                assert client.download(image).body == DATA
            assert client.delete(there).status == 204, "its data goes when the store is back"
            assert client.get("/healthcheck").status == 200
            assert not any(each.done() for each in hung)
        finally:
            process.send_signal(signal.SIGCONT)
        assert [each.result().status for each in hung] == [204] * SLOTS
    for answer in refused:
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert b"max_transfers" in answer.body
    assert client.upload(client.create(), DATA, store="slow").status == 204
