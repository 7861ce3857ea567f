"""URLs, by the classes of glance_store that write and read them: each form leads here, and ours lead there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from glance_store._drivers import filesystem, s3
from glance_store._drivers.swift import store as swift
from oslo_config import cfg

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.swift import SwiftDriver
from tests.support.client import new_id

CONF = cfg.ConfigOpts()
KEY = new_id()
KEYSTONE = "https://keystone.example.org:5000/v3"
V3 = {"username": "glance", "password": "s/3:c@t", "project_name": "service"}


@pytest.mark.parametrize("datadir", ["/srv/images", "/srv/images/", "/srv//images", "/srv/my images/ä"])
@pytest.mark.parametrize("scheme", ["file", "filesystem"])
def test_files_of_a_datadir_however_it_was_spelled(datadir: str, scheme: str) -> None:
    theirs = filesystem.StoreLocation({"path": os.path.join(datadir, KEY)}, CONF)
    ours = FilesystemDriver(datadir=datadir)
    assert ours.key_from_url(theirs.get_uri().replace("file:", f"{scheme}:")) == KEY
    if ours.url(KEY).isascii() and "%" not in ours.url(KEY):
        theirs.parse_uri(ours.url(KEY))
        assert theirs.path == os.path.normpath(os.path.join(datadir, KEY))


@pytest.mark.parametrize(
    "host", ["http://S3.example.org:8080/", "https://s3.example.org", "s3-eu-west-1.amazonaws.com"]
)
def test_objects_of_a_bucket(host: str) -> None:
    theirs = s3.StoreLocation({"s3serviceurl": host, "bucket": "images", "key": KEY}, CONF)
    ours = S3Driver(endpoint_url=host if "://" in host else f"http://{host}", bucket="images", region="eu-west-1")
    with_keys = theirs.get_uri().replace("://", "://AKID:s/3+c=@")  # as up to 2020
    for url in (theirs.get_uri(), with_keys):
        assert ours.key_from_url(url) == KEY
    theirs.parse_uri(ours.url(KEY))
    assert (theirs.bucket, theirs.key) == ("images", KEY)


def located(**specs: Any) -> swift.StoreLocation:
    """A location of glance_store's driver for Swift."""
    return swift.StoreLocation({"container": "images", "obj": KEY, **specs}, CONF)


@pytest.mark.parametrize("scheme", ["swift+https", "swift"])
def test_objects_of_an_account_with_its_key_in_the_url(scheme: str) -> None:
    theirs = located(scheme=scheme, auth_or_store_url=KEYSTONE, user="service:glance", key=V3["password"])
    assert V3["password"].replace(":", "%3A").replace("@", "%40") in theirs.get_uri()
    assert SwiftDriver(auth_url=KEYSTONE, container="images", **V3).key_from_url(theirs.get_uri()) == KEY


@pytest.mark.parametrize("endpoint", ["http://swift.example.org:8080/v1/AUTH_7", "https://swift.example.org/v1/AUTH_7"])
def test_objects_of_the_callers_account(endpoint: str) -> None:
    scheme = f"swift+{endpoint.partition(':')[0]}"
    theirs = located(scheme=scheme, auth_or_store_url=endpoint, container=f"images_{KEY}")
    store = SwiftDriver(multi_tenant=True, container="images", endpoint=endpoint.replace("7", "%(project_id)s"))
    ours = store.for_context({"auth_token": "t", "project_id": "7"})
    assert ours.url(KEY) == theirs.get_uri()
    theirs.parse_uri(ours.url(KEY))
    assert (theirs.swift_url, theirs.container, theirs.obj) == (endpoint, f"images_{KEY}", KEY)


def test_objects_of_an_account_of_the_file(tmp_path: Path) -> None:
    """The last one is of a store for which no reference is set: glance_store 5.7 writes it, and cannot read it."""
    accounts = tmp_path / "accounts.conf"
    accounts.write_text(f"[ref1]\nuser = service:glance\nkey = k\nauth_address = {KEYSTONE}\n")
    ours = SwiftDriver(account_file=str(accounts), container="images")
    with_key = located(scheme="swift+https", auth_or_store_url=KEYSTONE, user="service:glance", key="k").get_uri()
    assert ours.url(KEY) == f"swift+config://ref1/images/{KEY}"
    for url in (ours.url(KEY), with_key, f"swift+config://None/images/{KEY}"):
        assert ours.key_from_url(url) == KEY
