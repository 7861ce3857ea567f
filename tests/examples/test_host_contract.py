"""The example hosts keep the contract for hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pytest

from imgstore.testing import (
    AnswersBrokenBodies,
    AsksWho,
    DeletesImages,
    HasReadOnlyStore,
    HostContract,
    HostSubject,
    LimitsQuota,
    LimitsSize,
    NamesStores,
    RefusesBeforeTheBody,
)
from tests.examples.hosts import FASTAPI, THREADS, Host, Server
from tests.support.waiting import until

LARGEST, QUOTA = 200_000, 300_001


class ExampleSubject(HostSubject):
    """An example that serves."""

    largest, quota = LARGEST, QUOTA
    stores, read_only_store = ("fs",), "closed"
    caller, stranger = {"X-Auth-Token": "swordfish"}, {"X-Auth-Token": "open sesame"}

    def __init__(self, host: Host) -> None:
        self._host = host
        self.url = host.client.url

    def newcomer(self) -> Mapping[str, str]:
        """Without what other tests have left."""
        for image_id in self._host.statuses():
            self.delete(self.caller, image_id)
        until(lambda: self._host.usage() == (0, 0))
        return self.caller

    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        return self._host.create()

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        assert self._host.request("DELETE", f"/v2/images/{image_id}").status == 204

    def inventory(self) -> Collection[str]:
        return self._host.stored()


@pytest.fixture(scope="class")
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSubject]:
    """The example of the class, started once."""
    stores = {"ENABLED_STORES": "fs:filesystem, closed:memory", "DEFAULT_STORE": "fs", "CLOSED__READ_ONLY": "true"}
    limits = {"MAX_IMAGE_SIZE": LARGEST, "PROJECT_QUOTA": QUOTA}
    with Host(request.cls.SERVER, tmp_path_factory.mktemp("host"), **stores, **limits) as host:
        yield ExampleSubject(host)


class OnServer(AsksWho, DeletesImages, LimitsQuota, LimitsSize, NamesStores, HasReadOnlyStore, HostContract):
    """What all three promise."""

    @pytest.fixture
    def subject(self, serving: HostSubject) -> HostSubject:
        return serving


@pytest.mark.long  # test_examples has short forms of the laws that are the host's own
class TestDjango(AnswersBrokenBodies, OnServer):
    SERVER = Server.django(*THREADS)


@pytest.mark.long  # the server is Django's
class TestPaste(AnswersBrokenBodies, OnServer):
    SERVER = Server.paste(*THREADS)


class TestFastAPI(RefusesBeforeTheBody, OnServer):
    SERVER = FASTAPI
