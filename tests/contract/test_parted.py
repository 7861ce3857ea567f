"""Writing in parts and reading by ranges keep the contract, whatever storage is behind them."""

from __future__ import annotations

import pytest

from imgstore.model import ObjectInfo
from imgstore.testing import AtomicCreation, DriverContract, Subject
from tests.contract.subjects import SLACK, MemorySubject, UnreachableStorage
from tests.core.parted_storage import PART, PartDriver, PartStorage


class OneAtATime(PartDriver):
    concurrency = 1


class Unreachable(UnreachableStorage, PartStorage):
    def infos(self) -> list[ObjectInfo]:
        return UnreachableStorage.infos(self)


class PartSubject(MemorySubject):
    borders = (PART, 2 * PART, 4 * PART)
    STORAGE = PartStorage
    NOWHERE = Unreachable

    def memory(self, size: int) -> int:
        """The storage keeps parts and object, and sends a copy; the writer keeps two parts for each thread."""
        return 3 * size + 8 * PART + SLACK


class TestParted(AtomicCreation, DriverContract):
    @pytest.fixture(params=[PartDriver, OneAtATime])
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        return PartSubject(request.param)
