"""The reference service keeps the contract for hosts, over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import urllib.parse
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


class ServingSubject(HostSubject):
    """A host that creates and deletes images as the Image API does. `images`: where its only store keeps them."""

    largest = LARGEST

    def __init__(self, url: str, images: Path, caller: Mapping[str, str], stranger: Mapping[str, str]) -> None:
        self.url, self.caller, self.stranger = url, caller, stranger
        self._images = images

    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        made = json.dumps({"disk_format": disk_format, "container_format": "bare"})
        status, found = self._ask("POST", "/v2/images", caller, made)
        assert status == 201
        image_id: str = json.loads(found)["id"]
        return image_id

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        assert self._ask("DELETE", f"/v2/images/{image_id}", caller)[0] == 204

    def inventory(self) -> Collection[str]:
        return os.listdir(self._images)

    def _ask(self, method: str, path: str, caller: Mapping[str, str], body: str | None = None) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json", **caller})
            answer = connection.getresponse()
            return answer.status, answer.read()


class ProjectSubject(ServingSubject):
    """A host with a quota, whose callers say which project they are of."""

    quota = QUOTA

    def newcomer(self) -> Mapping[str, str]:
        return {PROJECT: uuid.uuid4().hex}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSubject]:
    root = tmp_path_factory.mktemp("service")
    images = root / "images"
    images.mkdir()
    stores = StoreSet([Store("files", FilesystemDriver(datadir=str(images)))], default="files")
    settings = UploadSettings(max_image_size=LARGEST)
    service = LocalService(root, stores, settings=settings, taps=[FormatInspection()], project_quota=QUOTA)
    with service.running():
        yield ProjectSubject(service.client.url, images, {PROJECT: "ann"}, {PROJECT: "bob"})


class TestService(
    AnswersBrokenBodies, RefusesBeforeTheBody, LimitsSize, LimitsQuota, DeletesImages, InspectsContent, HostContract
):  # fmt: skip
    @pytest.fixture
    def subject(self, service: HostSubject) -> HostSubject:
        return service
