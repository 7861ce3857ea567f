"""Images in their owners' own accounts: with the caller's token, shared by containers' ACL, on two real accounts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.driver.capabilities import SharesObjects
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.driver import CallersDriver
from imgstore.model import Attempt, StoredImage, UploadRequest
from imgstore.store import Store, StoreSet
from imgstore.testing.faults import FaultProxy, Respond
from imgstore.transfers.download import DownloadService
from imgstore.transfers.upload import UploadService
from tests.support.fixtures import SwiftFactory
from tests.support.swift import SwiftAccount, SwiftServer
from tests.swift.test_faults import write_and_commit
from tests.swift.world import KEY, ODD, SEGMENT, body, put, read

IMAGE = f"images_{KEY}"


class House:
    """A multi-tenant store, two accounts on its cluster, and what a host would hand over for a caller of each."""

    def __init__(self, server: SwiftServer, stack: contextlib.ExitStack) -> None:
        self.server = server
        self.stack = stack
        self.owner, self.reader = server.account(), server.account()
        self.store = self.driver()

    def driver(self, *, url: str = "", **options: Any) -> SwiftDriver:
        """A store; `url`: of a proxy to go through."""
        values = {
            "auth_version": "1", "multi_tenant": True, "endpoint": f"{url or self.server.url}/v1/AUTH_%(project_id)s",
            "container": "images", "segment_size": SEGMENT, "max_attempts": 2, **options,
        }  # fmt: skip
        driver = SwiftDriver(**values)
        self.stack.callback(driver.close)
        return driver

    def context(self, account: SwiftAccount) -> dict[str, str]:
        """What a host would hand over."""
        return {"auth_token": account.token, "project_id": account.name}

    def of(self, account: SwiftAccount, *, url: str | None = None) -> CallersDriver:
        """The store as a user of the account reaches it."""
        driver = self.store.for_context(self.context(account), url=url)
        assert isinstance(driver, CallersDriver)
        assert isinstance(driver, SharesObjects)
        return driver


@pytest.fixture
def house(quick_swift: SwiftServer) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        house = House(quick_swift, stack)
        yield house
        for account in (house.owner, house.reader):
            assert account.everything() == set()
            assert account.containers() == []


def test_an_image_that_glance_store_wrote_can_be_shared(house: House) -> None:
    """It has one container."""
    house.owner.container(IMAGE)
    assert house.owner.put(f"{IMAGE}/{KEY}", body(10)).status == 201
    mine = house.of(house.owner)
    mine.share(KEY, readers=[house.reader.name])
    assert read(house.of(house.reader, url=mine.url(KEY))) == body(10)
    mine.delete(KEY)
    with pytest.raises(errors.ObjectNotFound):
        mine.share(KEY, public=True)


@pytest.mark.parametrize("size", [0, 3 * SEGMENT])
def test_an_image_is_in_its_owners_account_in_a_container_of_its_own(house: House, size: int) -> None:
    mine = house.of(house.owner)
    put(mine, body(size))
    assert house.owner.objects(IMAGE) == {KEY: size}
    assert house.reader.everything() == set()
    assert read(mine) == body(size)
    assert mine.stat(KEY).size == size
    assert [info.key for info in mine.objects()] == [KEY]
    with pytest.raises(errors.ObjectNotFound):
        house.of(house.reader).stat(KEY)
    mine.delete(KEY)


def test_nothing_is_left_of_an_upload_that_is_aborted_not_even_containers(house: House) -> None:
    with house.of(house.owner).open_writer(KEY) as writer:
        writer.write(body(3 * SEGMENT))


def test_a_reader_needs_the_owners_leave(house: House) -> None:
    mine, data = house.of(house.owner), body(3 * SEGMENT)
    put(mine, data)
    theirs = house.of(house.reader, url=mine.url(KEY))
    assert theirs.url(KEY) == mine.url(KEY)
    for ask in (theirs.stat, theirs.open_reader, theirs.delete):
        with pytest.raises(errors.Forbidden):
            ask(KEY)
    with pytest.raises(errors.Forbidden):
        theirs.share(KEY, public=True)
    with pytest.raises(errors.ObjectNotFound):
        mine.share("another")
    mine.share(KEY, readers=[house.reader.name])
    assert read(theirs) == data
    assert read(theirs, start=3, stop=7) == data[3:7]
    with pytest.raises(errors.Forbidden):
        theirs.delete(KEY)
    mine.share(KEY)
    with pytest.raises(errors.Forbidden):
        theirs.stat(KEY)
    mine.share(KEY, public=True)
    assert read(theirs) == data
    mine.delete(KEY)


def test_the_operators_projects_may_do_everything_from_the_beginning(house: House) -> None:
    house.store = house.driver(admin_tenants=[house.reader.name])
    mine = house.of(house.owner)
    put(mine, body(3 * SEGMENT))
    admin = house.of(house.reader, url=mine.url(KEY))
    assert read(admin) == body(3 * SEGMENT)
    mine.delete(KEY)


def test_a_token_goes_to_its_own_cluster_only(house: House, swift_with: SwiftFactory) -> None:
    elsewhere = swift_with(ODD)
    foreign = f"swift+{elsewhere.url}/v1/AUTH_t0/{IMAGE}/{KEY}"
    login = f"swift+http://user:key@host/v1/a/{IMAGE}/{KEY}"
    for url in (foreign, "swift+config://ref1/images/x", login, "swift+http://x"):
        with pytest.raises(errors.InvalidKey):
            house.of(house.owner, url=url).stat(KEY)
    assert house.owner.token not in elsewhere.log


def test_a_token_that_ends_in_mid_upload_is_the_callers_matter_and_leaves_nothing(house: House) -> None:
    proxy = house.stack.enter_context(FaultProxy(house.server.url))
    house.store = house.driver(url=proxy.url)
    mine = house.of(house.owner)
    with mine.open_writer(KEY) as writer:
        writer.write(body(2 * SEGMENT))
        proxy.wait_until(2, method="PUT", path=f"{KEY}/")
        proxy.wait_until_idle()
        proxy.on(Respond(401), times=None)
        with pytest.raises(errors.Unauthenticated):
            write_and_commit(writer, body(3 * SEGMENT))
    proxy.heal()
    for left in list(mine.leftovers()):
        mine.remove_leftover(left)
    assert house.owner.everything() == set()
    for container in house.owner.containers():
        house.owner.delete(container)


def test_containers_go_although_swift_counts_for_a_moment_what_is_gone(house: House) -> None:
    proxy = house.stack.enter_context(FaultProxy(house.server.url))
    house.store = house.driver(url=proxy.url)
    mine = house.of(house.owner)
    put(mine, body(3 * SEGMENT))
    for container in (IMAGE, f"{IMAGE}_segments"):
        proxy.on(Respond(409), method="DELETE", path=f"{container}$", times=2)
    mine.delete(KEY)


def test_what_swift_does_not_let_the_caller_do_is_the_callers_matter(house: House) -> None:
    proxy = house.stack.enter_context(FaultProxy(house.server.url))
    proxy.on(Respond(403), method="PUT", times=None)
    caller = house.driver(url=proxy.url).for_context(house.context(house.owner))
    with pytest.raises(errors.Forbidden):
        put(caller, body(10))


def test_a_context_without_a_token_is_the_hosts_mistake(house: House) -> None:
    for context in ({}, {"auth_token": ""}, SimpleNamespace(project_id="x"), "text", 7):
        with pytest.raises(errors.UsageError, match="auth_token"):
            house.store.for_context(context)


CATALOGS: list[list[dict[str, Any]]] = [
    [{"type": "image", "endpoints": [{"publicURL": "http://wrong"}]},
     {"type": "object-store", "endpoints": [{"region": "one", "publicURL": "{}", "internalURL": "http://wrong"}]}],
    [{"type": "object-store", "endpoints": [
        {"region_id": "two", "region": "two", "interface": "internal", "url": "http://wrong"},
        {"region_id": "two", "region": "two", "interface": "public", "url": "{}"}]}],
]  # fmt: skip


@pytest.mark.parametrize("version", [0, 1])
def test_the_account_is_found_in_the_catalog_of_the_callers_token(house: House, version: int) -> None:
    url = f"{house.server.url}/v1/AUTH_{house.owner.name}"
    catalog = [
        {**entry, "endpoints": [{k: v.format(url) for k, v in each.items()} for each in entry["endpoints"]]}
        for entry in CATALOGS[version]
    ]
    house.store = house.driver(endpoint=None, auth_version="3")
    context = SimpleNamespace(auth_token=house.owner.token, project_id="any", service_catalog=catalog)
    mine = house.store.for_context(context)
    put(mine, body(10))
    assert mine.url(KEY) == f"swift+{url}/{IMAGE}/{KEY}"
    mine.delete(KEY)
    context.service_catalog = []
    with pytest.raises(errors.UsageError, match="service_catalog"):
        house.store.for_context(context)


def test_without_a_caller_the_store_uses_its_own_account_if_it_has_one(house: House) -> None:
    house.store.check()  # without an account there is nothing to prove
    with pytest.raises(errors.StoreUnavailable) as caught:
        put(house.store, body(10))
    assert "auth_url" in str(caught.value.detail)
    own = {"auth_url": house.server.auth_url, "username": house.owner.login, "password": house.owner.key}
    store = house.driver(endpoint=None, **own)
    put(store, body(10))
    assert house.owner.objects(IMAGE) == {KEY: 10}
    reading = store.for_context(None, url=f"swift+{house.server.url}/v1/AUTH_{house.owner.name}/{IMAGE}/{KEY}")
    assert read(reading) == body(10)
    reading.delete(KEY)


class OpenCatalog(MemoryCatalog):
    """A host's catalog, whose contexts are more than a project."""

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return super().find(image_id)

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return super().begin(replace(request, context=None), stores)


def test_uploads_and_downloads_of_the_core_reach_the_right_account_and_undo_there(house: House) -> None:
    stores = StoreSet([Store("swift", house.store)], default="swift")
    catalog = OpenCatalog()
    catalog.create(KEY)
    uploads, downloads = UploadService(stores, catalog=catalog), DownloadService(stores, source=catalog)
    data = body(3 * SEGMENT)
    with uploads.begin(UploadRequest(KEY, size=len(data), context=house.context(house.owner))) as session:
        session.write(data)
        (location,) = session.finish().locations
    assert location.url == f"swift+{house.server.url}/v1/AUTH_{house.owner.name}/{IMAGE}/{KEY}"
    assert house.owner.objects(IMAGE) == {KEY: len(data)}
    image = downloads.find(KEY)
    with pytest.raises(errors.Forbidden):
        downloads.open(image, context=house.context(house.reader))
    mine = house.of(house.owner)
    mine.share(KEY, readers=[house.reader.name])
    with downloads.open(image, context=house.context(house.reader)) as download:
        assert b"".join(download) == data
    mine.delete(KEY)
    catalog.create("another")
    with uploads.begin(UploadRequest("another", context=house.context(house.owner))) as session:
        session.write(data)
        catalog.delete("another")
        with pytest.raises(errors.ImageGone):
            session.finish()
