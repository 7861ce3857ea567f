"""The filesystem driver keeps the contract, and creates atomically: however it stages, with and without holes."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore.drivers import _fs_staging
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.testing import AtomicCreation, DriverContract, Subject
from tests.contract.subjects import FilesystemSubject


class UnnamedStaging(FilesystemDriver):
    STAGINGS = (_fs_staging.unnamed,)


class NamedStaging(FilesystemDriver):
    STAGINGS = (_fs_staging.named,)


class TestFilesystem(AtomicCreation, DriverContract):
    @pytest.fixture(params=[UnnamedStaging, NamedStaging])
    def driver(self, request: pytest.FixtureRequest) -> type[FilesystemDriver]:
        chosen: type[FilesystemDriver] = request.param
        return chosen

    @pytest.fixture(params=[False, True], ids=["whole", "thin"])
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path, driver: type[FilesystemDriver]) -> Subject:
        return FilesystemSubject(tmp_path, driver=driver, thin_provisioning=request.param)
