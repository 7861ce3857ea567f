"""Temporary URLs: signed as the cluster takes it, good for their time and their object only."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest

from imgstore import DownloadService, Store, StoreSet, UploadRequest, UploadService, errors
from imgstore.catalog import MemoryCatalog
from imgstore.driver.capabilities import MakesTemporaryUrls
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing.faults import FaultProxy, Respond
from tests.swift.world import KEY, ODD, SEGMENT, World, Worlds, body, put

SECRET = "the-key-that-signs"


def fetch(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


@pytest.fixture
def signing(world: World) -> SwiftDriver:
    """A driver on an account that has a key."""
    driver = world.driver()
    driver.check()
    assert world.account.post("", headers={"X-Account-Meta-Temp-URL-Key": SECRET}).status == 204
    return driver


def test_anybody_may_read_that_object_for_that_time_and_no_log_tells(
    world: World, signing: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(signing, MakesTemporaryUrls)
    put(signing, body(3 * SEGMENT))
    short = signing.temporary_url(KEY, seconds=1)
    with caplog.at_level(0):
        url = signing.temporary_url(KEY, seconds=60)
    assert SECRET[:8] not in url + caplog.text
    assert url.partition("temp_url_sig=")[2][:32] not in caplog.text
    assert fetch(url) == (200, body(3 * SEGMENT))
    assert world.account.token not in url
    assert fetch(url.replace(KEY, "another"))[0] == 401
    assert fetch(url, "DELETE")[0] == 401
    time.sleep(2.1)
    assert fetch(short)[0] == 401
    signing.delete(KEY)
    assert fetch(url)[0] == 404
    for key, seconds, kind in ((KEY, 0, errors.UsageError), ("../x", 60, errors.InvalidKey)):
        with pytest.raises(kind):
            signing.temporary_url(key, seconds=seconds)


def test_the_stores_own_key_comes_first_and_costs_no_request(world: World, signing: SwiftDriver) -> None:
    proxy = world.proxy()
    driver = world.through(proxy, temp_url_key="another-key")
    put(driver, body(10))
    since = len(proxy.requests)
    url = driver.temporary_url(KEY, seconds=60)
    assert len(proxy.requests) == since
    assert fetch(url)[0] == 401
    assert world.account.post("", headers={"X-Account-Meta-Temp-URL-Key-2": "another-key"}).status == 204
    assert fetch(url) == (200, body(10))


def test_the_digest_is_one_that_the_cluster_takes(world_with: Worlds) -> None:
    """Ceph's gateway tells none, and takes SHA-1."""
    world = world_with(ODD)
    world.account.post("", headers={"X-Account-Meta-Temp-URL-Key": SECRET})
    ceph = world.proxy()
    ceph.on(Respond(200, b'{"swift": {}, "tempurl": {"methods": ["GET"]}}'), path="^/info$")
    drivers = [world.driver(), world.through(ceph, temp_url_key=SECRET)]
    put(drivers[0], body(10))
    for driver in drivers:
        assert fetch(driver.temporary_url(KEY, seconds=60)) == (200, body(10))


def test_without_a_key_or_the_filter_the_operator_is_told(world: World, proxy: FaultProxy) -> None:
    driver = world.driver()
    driver.check()
    with pytest.raises(errors.ConfigurationError, match="temp_url_key: is not set, and the account has no key"):
        driver.temporary_url(KEY, seconds=60)
    proxy.on(Respond(200, b'{"swift": {}}'), path="^/info$")
    with pytest.raises(errors.ConfigurationError, match="no temporary URLs"):
        world.through(proxy, temp_url_key=SECRET).temporary_url(KEY, seconds=60)


def test_a_host_gives_an_image_away_until_it_is_removed(
    world: World, signing: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    stores, catalog = StoreSet([Store("swift", signing)], default="swift"), MemoryCatalog()
    catalog.create(KEY, owner="p")
    with UploadService(stores, catalog=catalog).begin(UploadRequest(KEY)) as session:
        session.write(body(3 * SEGMENT))
        session.finish()
    downloads = DownloadService(stores, source=catalog)
    with caplog.at_level(0):
        made = downloads.temporary_url(KEY, seconds=60, context="p")
    assert made.url.partition("temp_url_sig=")[2][:32] not in caplog.text + repr(made)
    assert fetch(made.url) == (200, body(3 * SEGMENT))
    with pytest.raises(errors.ImageNotFound):
        downloads.temporary_url(KEY, seconds=60, context="q")
    signing.delete(made.location.key)
    assert fetch(made.url)[0] == 404
