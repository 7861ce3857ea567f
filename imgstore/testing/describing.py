"""What a driver tells of an object, and that one driver's end is no other's."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from imgstore.driver.capabilities import ListsObjects
from imgstore.model import Leftover, ObjectInfo
from imgstore.testing.bench import KEY, KEYS, Bench, body, same
from imgstore.testing.telling import Laws

A_WHILE = 600.0
"""No clock of a storage is as wrong as that; one that counts milliseconds is, or one of another time zone."""
ELSEWHERE = "XXX-5:45"
"""A time zone in which no offset is a whole hour."""
A_MOMENT = 2.0
"""Seconds by which a listing and a look at the object may differ: some round."""


def assert_recent(info: ObjectInfo | Leftover, call: str) -> None:
    """`modified` is in seconds since the epoch, or None."""
    age = 0.0 if info.modified is None else time.time() - info.modified
    assert abs(age) < A_WHILE, f"`modified` of {call} is {info.modified}: not seconds since the epoch"


@contextlib.contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Inside, this process is there."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        os.environ.update({} if before is None else {"TZ": before})
        time.tzset()


class DescribingLaws(Laws):
    """ObjectInfo, wherever it comes from; drivers beside each other."""

    def test_modified_is_in_seconds(self, bench: Bench) -> None:
        with time_zone(ELSEWHERE):
            self._assert_recent(bench)
        first, second = (driver.stat(KEY).modified for driver in (bench.other, bench.driver))
        assert first == second, f"`modified` was {first}, and is {second}: it is the time of the last commit"

    def _assert_recent(self, bench: Bench) -> None:
        assert_recent(bench.put(body(13)), "commit")
        assert_recent(bench.other.stat(KEY), "stat")
        if isinstance(bench.other, ListsObjects):
            for info in bench.other.objects():
                assert_recent(info, "objects")

    def test_listing_tells_what_stat_tells(self, bench: Bench) -> None:
        bench.put(bench.large(), KEYS[0])
        bench.put(body(13), KEYS[1])
        listed = list(bench.other.objects()) if isinstance(bench.other, ListsObjects) else []
        for info in listed:
            found = bench.driver.stat(info.key)
            assert info.size == found.size, f"objects() tells {info.size} bytes, stat {found.size}"
            if None not in (info.etag, found.etag):
                assert info.etag == found.etag, f"objects() tells the etag {info.etag}, stat {found.etag}"
            if info.modified is not None and found.modified is not None:
                assert abs(info.modified - found.modified) <= A_MOMENT, "objects() and stat tell different times"

    def test_closing_a_driver_leaves_the_others_alone(self, bench: Bench) -> None:
        bench.put(bench.large(), KEYS[0])
        another = bench.subject.open()
        another.stat(KEYS[0])
        with bench.driver.open_writer(KEY) as writer, bench.driver.open_reader(KEYS[0]) as reader:
            writer.write(bench.large(1)[:-7])
            begun = reader.read(10)
            another.close()
            writer.write(bench.large(1)[-7:])
            writer.commit()
            assert same(begun + b"".join(reader), bench.large())
        bench.committed[KEY] = bench.large(1)
        bench.assert_all_hold()
