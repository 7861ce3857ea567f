"""The Swift driver keeps the contract on a real Swift, with Swift's own limits and with small ones.

It does not adopt AtomicCreation: Swift does not keep `If-None-Match: *` under a race.
"""

from __future__ import annotations

import pytest

from imgstore.testing import DriverContract, Subject
from tests.support.fixtures import SwiftFactory
from tests.support.swift import SwiftSettings
from tests.swift.subject import SwiftSubject
from tests.swift.world import FEW

BORDER = 4096
"""Larger than what the contract's racers write: what the loser of a race had in segments would stay, for `purge`."""

LIMITS = [
    pytest.param(SwiftSettings(remembers=True), id="usual", marks=pytest.mark.long),
    pytest.param(FEW, id="small", marks=pytest.mark.long),
]


class TestSwift(DriverContract):
    @pytest.fixture(params=LIMITS)
    def subject(self, request: pytest.FixtureRequest, swift_with: SwiftFactory) -> Subject:
        return SwiftSubject(swift_with(request.param), border=BORDER)
