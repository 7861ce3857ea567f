"""URLs: without a credential, and old ones are understood, if they are of an object in this very store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from tests.swift.world import KEY

V1 = {
    "auth_version": "1", "auth_url": "https://swift.invalid:8080/auth/v1.0", "username": "a:tester",
    "password": "s3cret",
}  # fmt: skip
V3 = {
    "auth_url": "http://keystone.invalid:5000/v3", "username": "glance", "password": "s3cret", "project_name": "service"
}  # fmt: skip


def driver(options: dict[str, Any], **more: Any) -> SwiftDriver:
    return SwiftDriver(**{"container": "images", **options, **more})


def test_a_url_says_where_tokens_are_given_and_holds_none() -> None:
    for options, url in (
        (V1, f"swift+https://swift.invalid:8080/auth/v1.0/images/{KEY}"),
        (V3, f"swift+http://keystone.invalid:5000/v3/images/{KEY}"),
        ({**V3, "multiple_containers_seed": 2}, f"swift+http://keystone.invalid:5000/v3/images_8f/{KEY}"),
    ):
        store = driver(options)
        assert store.url(KEY) == url
        assert store.key_from_url(url) == KEY


def test_old_urls_of_this_account_are_understood() -> None:
    seeded = {**V3, "multiple_containers_seed": 2}
    for options, url in (
        (V1, "swift://a:tester:old-key@swift.invalid:8080/auth/v1.0/images/"),
        (V1, "swift+https://a:tester:s3cret@swift.invalid:8080/auth/v1.0/images/"),
        (V1, "swift+https://a%3Atester:s%2F3@swift.invalid:8080/auth/v1.0/images/"),
        (V3, "swift+http://service:glance:s3cret@keystone.invalid:5000/v3/images/"),
        (V3, "swift+http://service%3Aglance:s3cret@keystone.invalid:5000/v2.0/images/"),
        (V3, "swift+config://ref1/images/"),
        (seeded, "swift+http://service:glance:k@keystone.invalid:5000/v3/images_8f/"),
    ):
        assert driver(options).key_from_url(url + KEY) == KEY


OTHERS = [
    "swift+http://service:other:s3cret@keystone.invalid:5000/v3/images/{key}",
    "swift+http://other:glance:s3cret@keystone.invalid:5000/v3/images/{key}",
    "swift+https://service:glance:s3cret@keystone.invalid:5000/v3/images/{key}",
    "swift+http://service:glance:s3cret@elsewhere.invalid:5000/v3/images/{key}",
    "swift+http://service:glance:s3cret@keystone.invalid/v3/images/{key}",
    "swift+http://service:glance:s3cret@keystone.invalid:5000/v3/others/{key}",
    "swift+http://glance@keystone.invalid:5000/v3/images/{key}",
    "swift+http://@keystone.invalid:5000/v3/images/{key}",
    "swift+config://ref2/images/{key}", "swift+config://ref1/more/images/{key}", "swift+config://ref1/{key}",
    "swift+config://user:key@ref1/images/{key}", "swift+config://ref1/images/..", "swift+config://ref1/images/",
    "swift+http://keystone.invalid:5000/v3/images/{key}?a=b", "http://keystone.invalid:5000/v3/images/{key}",
    "swift://service:glance:s3cret@http://keystone.invalid:5000/v3/images/{key}", "swift+http:/images/{key}",
    "file:///images/{key}", "{key}", "",
]  # fmt: skip


def test_urls_of_other_accounts_hosts_and_containers_are_refused() -> None:
    store = driver(V3)
    for url in OTHERS:
        with pytest.raises(errors.InvalidKey) as caught:
            store.key_from_url(url.format(key=KEY))
        assert "s3cret" not in f"{caught.value} {caught.value.detail}"


def test_with_a_file_of_accounts_they_name_the_account_and_old_ones_are_compared_with_it(tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    account = "[{}]\nuser = service:{}\nkey = s3cret\nauth_address = http://keystone.invalid:5000/v3\n"
    path.write_text(account.format("ref1", "glance") + account.format("ref2", "other"))
    store = SwiftDriver(account_file=str(path), reference="ref2", container="images")
    old = f"swift+http://service:other:any@keystone.invalid:5000/v3/images/{KEY}"
    assert store.url(KEY) == f"swift+config://ref2/images/{KEY}"
    for url in (store.url(KEY), old):
        assert store.key_from_url(url) == KEY
    for url in (old.replace("other", "glance"), f"swift+config://ref1/images/{KEY}"):
        with pytest.raises(errors.InvalidKey):
            store.key_from_url(url)
