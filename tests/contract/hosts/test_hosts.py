"""The reference service keeps the contract for hosts, over real HTTP."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.store import Store, StoreSet
from imgstore.testing import (
    AnswersBrokenBodies,
    DeletesImages,
    HostContract,
    HostSubject,
    InspectsContent,
    LimitsQuota,
    LimitsSize,
    RefusesBeforeTheBody,
)
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.upload import UploadSettings
from tests.support.service import LocalService

LARGEST, QUOTA = 200_000, 300_001
PROJECT = "X-Project-Id"


class ServiceSubject(HostSubject):
    """The service. `images`: where its only store keeps them."""

    caller, stranger = {PROJECT: "ann"}, {PROJECT: "bob"}
    largest, quota = LARGEST, QUOTA

    def __init__(self, service: LocalService, images: Path) -> None:
        self.url = service.client.url
        self._client, self._images = service.client, images

    def newcomer(self) -> Mapping[str, str]:
        return {PROJECT: uuid.uuid4().hex}

    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        return self._client.of(caller[PROJECT]).create(disk_format=disk_format)

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        assert self._client.of(caller[PROJECT]).delete(image_id).status == 204

    def inventory(self) -> Collection[str]:
        return os.listdir(self._images)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSubject]:
    root = tmp_path_factory.mktemp("service")
    images = root / "images"
    images.mkdir()
    stores = StoreSet([Store("files", FilesystemDriver(datadir=str(images)))], default="files")
    settings = UploadSettings(max_image_size=LARGEST)
    service = LocalService(root, stores, settings=settings, taps=[FormatInspection()], project_quota=QUOTA)
    with service.running():
        yield ServiceSubject(service, images)


class TestService(
    AnswersBrokenBodies, RefusesBeforeTheBody, LimitsSize, LimitsQuota, DeletesImages, InspectsContent, HostContract
):  # fmt: skip
    @pytest.fixture
    def subject(self, service: HostSubject) -> HostSubject:
        return service
