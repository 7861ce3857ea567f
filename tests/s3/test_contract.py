"""The S3 driver keeps the contract, whichever way the server confirms what it stored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.drivers.s3 import S3Driver
from imgstore.testing import Bench, DriverContract, Histories, Subject, working_bench
from imgstore.testing.failures import FailureLaws
from imgstore.testing.faults import FaultProxy
from imgstore.testing.giving import GivingLaws
from imgstore.testing.memory import MemoryLaws
from imgstore.testing.reading import ReadingLaws
from imgstore.testing.writing import WritingLaws
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.support.nowhere import refusing_address
from tests.support.rounds import rounds

LARGE_PART = 256 * 1024
REQUESTS = 192 * 1024
"""Bytes that requests take beside those of the object: heads, answers, signatures."""


class S3Subject(Subject):
    """Drivers on one place. The broken one's server does not listen."""

    every_fault = False  # in the long form, on Ceph, it is True

    def __init__(self, place: Place) -> None:
        self._place = place
        place.watched = False  # the bench looks itself
        self._prefix = f"{place.prefix}images/"
        self.secrets = place.secrets
        self.internals = (place.endpoint, place.bucket)
        self.borders = (place.options["part_size"],)
        self.verifies_urls = not isinstance(place, MotoPlace)

    def open(self) -> S3Driver:
        return self._place.driver(prefix=self._prefix)

    def neighbour(self) -> S3Driver:
        return self._place.driver(prefix=f"{self._prefix.rstrip('/')}-2/")

    def broken(self) -> S3Driver:
        return self._place.driver(endpoint_url=f"http://{refusing_address()}", max_attempts=1)

    def server(self) -> str:
        return self._place.endpoint

    def through(self, proxy: FaultProxy, *, timeout: float) -> S3Driver:
        return self._place.driver(prefix=self._prefix, endpoint_url=proxy.url, read_timeout=timeout, max_attempts=1)

    def limited(self, capacity: int) -> S3Driver:
        return self._place.driver(prefix=self._prefix, capacity=capacity)

    def memory(self, size: int) -> int:
        """Parts that are sent, and one that fills; what came up to the threshold is the first of them. Two blocks that
        are read ahead, with what arrives of each, and one that is read."""
        options = self._place.options
        parts = (options["concurrency"] + 1) * options["part_size"]
        return int(max(parts, 5 * options["read_block_size"])) + REQUESTS

    def inventory(self) -> set[str]:
        return {name.removeprefix("images/") for name in self._place.names()}


class TestS3(DriverContract):
    @pytest.fixture
    def subject(self, first_place: Place) -> Subject:
        return S3Subject(first_place)


class TestS3OfLargeParts(MemoryLaws):
    """Parts that are larger than all that requests take."""

    @pytest.fixture
    def bench(self, first_place: Place) -> Iterator[Bench]:
        first_place.part = max(first_place.part, LARGE_PART)
        with working_bench(S3Subject(first_place)) as bench:
            yield bench


@pytest.mark.long
class TestS3OnSwift(Histories, WritingLaws, ReadingLaws, FailureLaws, GivingLaws):
    """The laws that rest on what a server answers; Ceph's S3 has those of what it keeps."""

    HISTORIES = rounds(1)

    @pytest.fixture
    def bench(self, swift_place: SwiftPlace) -> Iterator[Bench]:
        with working_bench(S3Subject(swift_place)) as bench:
            yield bench
