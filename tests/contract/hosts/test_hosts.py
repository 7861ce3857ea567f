"""The reference service keeps the contract for hosts, over real HTTP."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from imgstore.catalog import SIGNATURE
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.store import Store, StoreSet
from imgstore.testing import (
    AnswersBrokenBodies,
    DeletesImages,
    HasReadOnlyStore,
    HostContract,
    HostSubject,
    InspectsContent,
    LimitsQuota,
    LimitsSize,
    NamesStores,
    RefusesBeforeTheBody,
    RefusesSignatures,
)
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.upload import UploadSettings
from tests.support.service import LocalService

LARGEST, QUOTA = 200_000, 300_001
PROJECT = "X-Project-Id"


class ServiceSubject(HostSubject):
    """The service. `root`: where its stores keep images, each in a directory of its name."""

    caller, stranger = {PROJECT: "ann"}, {PROJECT: "bob"}
    largest, quota = LARGEST, QUOTA
    stores, read_only_store = ("files", "other"), "closed"

    def __init__(self, service: LocalService, root: Path) -> None:
        self.url = service.client.url
        self._client, self._root = service.client, root

    def newcomer(self) -> Mapping[str, str]:
        return {PROJECT: uuid.uuid4().hex}

    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        return self._client.of(caller[PROJECT]).create(disk_format=disk_format)

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        assert self._client.of(caller[PROJECT]).delete(image_id).status == 204

    def inventory(self) -> Collection[str]:
        return [name for store in self.stores for name in self.inventory_of(store)]

    def inventory_of(self, store: str) -> Collection[str]:
        return os.listdir(self._root / store)

    def create_signed(self, caller: Mapping[str, str]) -> str | None:
        signed = {"disk_format": "raw", "container_format": "bare"} | dict.fromkeys(SIGNATURE, "x")
        answer = self._client.of(caller[PROJECT]).post("/v2/images", signed)
        assert answer.status in (201, 400), answer
        return answer.json()["id"] if answer.status == 201 else None


def _files_in(directory: Path) -> FilesystemDriver:
    directory.mkdir()
    return FilesystemDriver(datadir=str(directory))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSubject]:
    root = tmp_path_factory.mktemp("service")
    each = [Store(name, _files_in(root / name), read_only=name == "closed") for name in ("files", "other", "closed")]
    stores = StoreSet(each, default="files")
    settings = UploadSettings(max_image_size=LARGEST)
    service = LocalService(root, stores, settings=settings, taps=[FormatInspection()], project_quota=QUOTA)
    with service.running():
        yield ServiceSubject(service, root)


class TestService(
    AnswersBrokenBodies, RefusesBeforeTheBody, LimitsSize, LimitsQuota, DeletesImages, InspectsContent,
    NamesStores, HasReadOnlyStore, RefusesSignatures, HostContract,
):  # fmt: skip
    @pytest.fixture
    def subject(self, service: HostSubject) -> HostSubject:
        return service
