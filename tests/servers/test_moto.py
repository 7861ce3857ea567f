"""The moto of the tests is what the drivers' tests take it for."""

from __future__ import annotations

import resource

from tests.support.moto import MotoServer


def test_buckets_are_apart_and_all_that_is_in_one_is_seen(moto: MotoServer) -> None:
    one, two = moto.bucket(), moto.bucket()
    assert one.request("PUT", "/key", body=b"some").status == 200
    assert one.request("POST", "/other?uploads=").status == 200
    ((key, upload),) = one.uploads()
    assert key == "other"
    assert one.everything() == {"key", f"other?uploadId={upload}"}
    assert two.everything() == set()


def test_memory_is_capped(moto: MotoServer) -> None:
    assert resource.prlimit(moto.child.process.pid, resource.RLIMIT_AS) == (moto.memory, moto.memory)
