"""The network drivers keep the contract on a real Ceph, by S3 (plain and by TLS) and by Swift's API.

Sizes are counted before a server is asked, so other servers have those laws.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.drivers.s3 import S3Driver
from imgstore.testing import Bench, working_bench
from imgstore.testing.aborting import AbortLaws
from imgstore.testing.clearing import ClearingLaws
from imgstore.testing.concurrency import ConcurrencyLaws
from imgstore.testing.copying import CopyLaws
from imgstore.testing.failures import FailureLaws
from imgstore.testing.interrupted import InterruptedLaws
from imgstore.testing.leftovers import LeftoverLaws
from imgstore.testing.memory import MemoryLaws
from imgstore.testing.naming import NamingLaws
from imgstore.testing.neighbours import NeighbourLaws
from imgstore.testing.parts import PartLaws
from imgstore.testing.reading import ReadingLaws
from imgstore.testing.resources import ResourceLaws
from imgstore.testing.visibility import VisibilityLaws
from imgstore.testing.writing import WritingLaws
from tests.s3.places import RgwPlace
from tests.s3.test_contract import LARGE_PART, S3Subject
from tests.support.rgw import RgwServer, needs_rgw
from tests.swift.subject import CONTAINER, AccountSubject, options_of

pytestmark = [needs_rgw, pytest.mark.long]
BORDER = 4096


class RgwSwiftSubject(AccountSubject):
    """Drivers on a fresh account of Ceph by Swift's API, with small segments."""

    def __init__(self, server: RgwServer) -> None:
        account = server.account()
        super().__init__(account, **options_of(account, segment_size=BORDER, max_attempts=2))
        self.mark()

    def inventory(self) -> set[str]:
        """Ceph shows no manifest: segments count for the object whose metadata name their attempt."""
        found = self.account.everything()
        objects = {path.partition("/")[2]: path for path in found if path.startswith(f"{CONTAINER}/")}
        attempts = {
            key: self.account.head(path).headers.get("x-object-meta-imgstore-attempt", "")
            for key, path in objects.items()
        }
        return {self._named(path, attempts) for path in found}

    def _named(self, path: str, attempts: dict[str, str]) -> str:
        container, key, *rest = path.split("/")
        if container == CONTAINER:
            return key
        return key if rest and attempts.get(key) == rest[0] else path


REPLACING = frozenset(
    {
        "test_existing_object_is_never_overwritten",
        "test_first_commit_wins_and_the_second_is_refused",
        "test_refused_loser_leaves_the_winners_object",
    }
)
"""Ceph replaces an object where parts become one. A driver whose check has found that out looks before it stores. A
check takes a second here, so these tests alone have drivers that are checked first, as a service checks them."""


class CheckedSubject(S3Subject):
    """Its drivers are checked first."""

    def open(self) -> S3Driver:
        driver = super().open()
        driver.check()
        return driver


class ThoroughSubject(S3Subject):
    """Its requests are broken in every way."""

    every_fault = True


def subject_for(request: pytest.FixtureRequest, place: RgwPlace) -> S3Subject:
    """What the test needs."""
    return (CheckedSubject if request.function.__name__ in REPLACING else S3Subject)(place)


class StoringLaws(
    WritingLaws, VisibilityLaws, AbortLaws, PartLaws, NamingLaws, ConcurrencyLaws, CopyLaws, ClearingLaws, LeftoverLaws,
    NeighbourLaws,
):  # fmt: skip
    """The laws that rest on what a server keeps, and under which name."""


class TestSwiftOnRgw(StoringLaws, ReadingLaws, FailureLaws):
    @pytest.fixture
    def bench(self, rgw: RgwServer) -> Iterator[Bench]:
        with working_bench(RgwSwiftSubject(rgw)) as bench:
            yield bench


class TestS3OnRgw(StoringLaws):
    @pytest.fixture
    def bench(self, rgw: RgwServer, request: pytest.FixtureRequest) -> Iterator[Bench]:
        with working_bench(subject_for(request, RgwPlace(rgw))) as bench:
            yield bench


class TestBrokenRequestsToRgw(InterruptedLaws):
    @pytest.fixture
    def bench(self, rgw: RgwServer) -> Iterator[Bench]:
        with working_bench(ThoroughSubject(RgwPlace(rgw))) as bench:
            yield bench


class TestS3OnRgwByTls(ReadingLaws, FailureLaws, ResourceLaws):
    """The laws that rest on how bytes and connections travel."""

    @pytest.fixture
    def bench(self, rgw: RgwServer, request: pytest.FixtureRequest) -> Iterator[Bench]:
        with working_bench(subject_for(request, RgwPlace(rgw, tls=True))) as bench:
            yield bench


class TestS3OnRgwOfLargeParts(MemoryLaws):
    @pytest.fixture
    def bench(self, rgw: RgwServer) -> Iterator[Bench]:
        place = RgwPlace(rgw, tls=True)
        place.part = LARGE_PART
        with working_bench(S3Subject(place)) as bench:
            yield bench
