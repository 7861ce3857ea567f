"""The moto of the tests is what the drivers' tests take it for, and goes without a trace."""

from __future__ import annotations

import os
import resource

import pytest

from tests.support.moto import MotoServer


def test_buckets_are_apart_and_all_that_is_in_one_is_seen(moto: MotoServer) -> None:
    one, two = moto.bucket(), moto.bucket()
    assert one.request("PUT", "/key", body=b"some").status == 200
    assert one.request("POST", "/other?uploads=").status == 200
    ((key, upload),) = one.uploads()
    assert key == "other"
    assert one.everything() == {"key", f"other?uploadId={upload}"}
    assert two.everything() == set()


def test_memory_is_capped_and_nothing_is_left_of_one_that_was_stopped() -> None:
    with MotoServer(memory=500_000_000) as server:
        pid, root = server.child.process.pid, server.child.log_file.parent
        assert resource.prlimit(pid, resource.RLIMIT_AS) == (500_000_000, 500_000_000)
        bucket = server.bucket()
        assert bucket.request("PUT", "/large", body=bytes(20_000_000)).status == 200
    assert not root.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
