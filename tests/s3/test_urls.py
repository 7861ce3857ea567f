"""URLs of objects: none holds a credential, and those that glance_store wrote are understood."""

from __future__ import annotations

from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.s3 import S3Driver
from tests.s3.support import KEY

URLS: list[tuple[dict[str, Any], str]] = [
    ({"endpoint_url": "https://s3.example.org"}, f"s3+https://s3.example.org/images/{KEY}"),
    ({"endpoint_url": "http://S3.Example.org:8080/"}, f"s3+http://s3.example.org:8080/images/{KEY}"),
    ({"endpoint_url": "https://example.org/s3"}, f"s3+https://example.org/s3/images/{KEY}"),
    ({"endpoint_url": "https://x", "prefix": "a/b"}, f"s3+https://x/images/a/b/{KEY}"),
    ({"endpoint_url": "https://[::1]:9000"}, f"s3+https://[::1]:9000/images/{KEY}"),
    ({}, f"s3+https://s3.amazonaws.com/images/{KEY}"),
    ({"region": "eu-west-1"}, f"s3+https://s3.eu-west-1.amazonaws.com/images/{KEY}"),
]
CREDENTIALS = ("AKIDEXAMPLE:wJalrXUtnFEMI@", "AKIDEXAMPLE:wJalr/XUtn+FE/MI=@", "tenant%3Auser:key@", "a:b@c@", "")
FOREIGN = (
    f"s3://a:b@elsewhere.org/images/{KEY}",
    f"s3://s3.example.org@elsewhere.org/images/{KEY}",
    f"s3://a:b@s3.example.org/others/{KEY}",
    f"s3://a:b@s3.example.org/images/folder/{KEY}",
    f"s3://a:b@s3.example.org/images/../others/{KEY}",
    f"s3://a:b@s3.example.org/images/{KEY}?versionId=1",
    f"s3://a:b@s3.example.org//images/{KEY}",
    f"s3+ftp://s3.example.org/images/{KEY}",
    f"https://s3.example.org/images/{KEY}",
    f"swift+https://s3.example.org/images/{KEY}",
    "s3://a:b@s3.example.org/images/",
    "s3://a:b@s3.example.org/images/.hidden",
    f"s3://s3.example.org:443/images/{KEY}",
)


def driver(**options: Any) -> S3Driver:
    return S3Driver(bucket="images", **options)


def test_a_url_leads_back_to_its_key_and_holds_no_credential() -> None:
    keys = {"access_key": "AKIDEXAMPLE", "secret_key": "wJalr/XUtn+FEMI=", "session_token": "token"}
    for options, url in URLS:
        made = driver(**options, **keys)
        assert made.url(KEY) == url
        assert made.key_from_url(url) == KEY


def test_urls_that_glance_store_wrote_are_read() -> None:
    made = driver(endpoint_url="https://s3.example.org")
    for scheme in ("s3", "s3+http", "s3+https"):
        for credential in CREDENTIALS:
            assert made.key_from_url(f"{scheme}://{credential}s3.example.org/images/{KEY}") == KEY
    for host in ("s3.amazonaws.com", "s3.eu-west-1.amazonaws.com", "s3-eu-west-1.amazonaws.com"):
        assert driver(region="eu-west-1").key_from_url(f"s3://a:b@{host}/images/{KEY}") == KEY


@pytest.mark.parametrize("url", FOREIGN)
def test_the_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidKey) as caught:
        driver(endpoint_url="https://s3.example.org").key_from_url(url)
    assert "a:b" not in str(caught.value)
