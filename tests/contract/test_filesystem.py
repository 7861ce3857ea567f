"""The filesystem driver keeps the contract, and creates atomically: however it stages, with and without holes, through
the page cache and past it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.direct import Buffers
from imgstore.testing import AtomicCreation, Bench, DriverContract, Histories, Subject, working_bench
from tests.contract.subjects import FilesystemSubject
from tests.support.rounds import rounds


class UnnamedStaging(FilesystemDriver):
    STAGINGS = (staging.unnamed,)
    BUFFERS = Buffers(start=0, size=64 * 1024, count=2)


class NamedStaging(FilesystemDriver):
    STAGINGS = (staging.named,)
    BUFFERS = Buffers(start=64 * 1024, size=64 * 1024, count=2)


# Each value of each choice; how they meet in one upload is the subject of tests/filesystem.
WAYS = {
    "unnamed-thin-direct": (UnnamedStaging, True, "on"),
    "named-whole-cached": (NamedStaging, False, "off"),
}


class TestFilesystem(AtomicCreation, DriverContract):
    @pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
        driver, thin, direct_io = request.param
        return FilesystemSubject(tmp_path, driver=driver, thin_provisioning=thin, direct_io=direct_io)


@pytest.mark.server  # processes are killed
class TestHistories(Histories):
    """On the staging that leaves something behind."""

    HISTORIES = rounds(15)

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        subject = FilesystemSubject(tmp_path, driver=NamedStaging, thin_provisioning=True, direct_io="off")
        with working_bench(subject) as bench:
            yield bench
