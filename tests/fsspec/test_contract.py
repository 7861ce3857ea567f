"""The driver keeps the contract on the filesystems of fsspec that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore.testing import AtomicCreation, DriverContract, Subject
from tests.fsspec.subjects import DirectorySubject, MemorySubject


class TestMemory(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return MemorySubject()


@pytest.mark.long
class TestFile(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return DirectorySubject(tmp_path)
