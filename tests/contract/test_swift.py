"""The Swift driver keeps the contract on a real Swift, with Swift's own limits and with small ones.

It does not adopt AtomicCreation: Swift does not keep `If-None-Match: *` under a race.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.testing import Bench, DriverContract, Histories, Subject, working_bench
from imgstore.testing.copying import CopyLaws
from imgstore.testing.memory import MemoryLaws
from imgstore.testing.parts import PartLaws
from imgstore.testing.sizes import SizeLaws
from tests.support.fixtures import SwiftFactory
from tests.support.rounds import rounds
from tests.support.swift import SwiftSettings
from tests.swift.subject import SwiftSubject
from tests.swift.world import FEW

pytestmark = pytest.mark.long
LARGE = 256 * 1024
"""Larger than all that requests take."""
BORDER = 4096
"""Larger than what the contract's racers write: what the loser of a race had in segments would stay, for `purge`."""


class TestSwift(Histories, DriverContract):
    HISTORIES = rounds(2)

    @pytest.fixture
    def subject(self, swift_with: SwiftFactory) -> Subject:
        return SwiftSubject(swift_with(SwiftSettings(remembers=True)), border=BORDER)


class TestSwiftOfSmallLimits(SizeLaws, PartLaws, CopyLaws):
    """The laws that rest on how an object is cut into segments."""

    @pytest.fixture
    def bench(self, swift_with: SwiftFactory) -> Iterator[Bench]:
        with working_bench(SwiftSubject(swift_with(FEW), border=BORDER)) as bench:
            yield bench


class TestSwiftOfLargeSegments(MemoryLaws):
    @pytest.fixture
    def bench(self, swift_with: SwiftFactory) -> Iterator[Bench]:
        with working_bench(SwiftSubject(swift_with(SwiftSettings(remembers=True)), border=LARGE)) as bench:
            yield bench
