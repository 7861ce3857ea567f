"""The driver keeps the contract on fsspec's filesystems: those of this machine, SFTP and WebDAV."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore.testing import AtomicCreation, DriverContract, Subject
from tests.fsspec.servers import Served
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
