"""The driver keeps the contract on fsspec's filesystems: those of this machine, SFTP and WebDAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.testing import AtomicCreation, Bench, DriverContract, Subject, working_bench
from imgstore.testing.leftovers import LeftoverLaws
from imgstore.testing.visibility import VisibilityLaws
from tests.fsspec.servers import Served
from tests.fsspec.subjects import DirectorySubject, MemorySubject


class TestMemory(VisibilityLaws, LeftoverLaws, AtomicCreation):
    """The short form."""

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with working_bench(MemorySubject()) as bench:
            yield bench


@pytest.mark.long
class TestFile(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return DirectorySubject(tmp_path)


@pytest.mark.long
class TestSftp(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, sftp_server: tuple[Path, Served]) -> Subject:
        return DirectorySubject(*sftp_server)


@pytest.mark.long
class TestWebdav(DriverContract):
    """wsgidav looks whether a name is taken, and moves then: of two racers both may win."""

    @pytest.fixture
    def subject(self, webdav_server: tuple[Path, Served]) -> Subject:
        return DirectorySubject(*webdav_server)
