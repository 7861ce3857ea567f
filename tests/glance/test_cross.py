"""The cross table: each driver reads and deletes whole what either wrote, on Swift's own servers and on Ceph's gateway.

glance_store writes plain objects and dynamic large ones (of any image whose size is unknown), imgstore plain objects
and static large ones, and both objects of S3 in one or several parts. Both are in one configuration, as in Glance.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from glance_store import exceptions, location, multi_backend
from oslo_config import cfg

from imgstore.driver.place import NOTES
from imgstore.model import MIB
from tests.glance.house import PART
from tests.support.client import new_id
from tests.support.fixtures import SwiftFactory
from tests.support.rgw import RgwServer, needs_rgw
from tests.support.swift import SwiftAccount, SwiftSettings
from tests.support.token_exchange import TokenExchange
from tests.support.waiting import until

pytestmark = [
    pytest.mark.long,
    # glance_store's driver uses what swiftclient and keystoneclient give up, and closes no connection.
    *map(pytest.mark.filterwarnings, ("ignore::DeprecationWarning", "ignore::ResourceWarning")),
]

BOTH = ("theirs", "ours")
CHUNK = 1000 * 1024
"""What glance_store's driver for Swift takes a megabyte for."""


@dataclass(frozen=True)
class Image:
    """What is stored. `known`: whether its size is told before."""

    size: int
    known: bool = True

    @property
    def body(self) -> bytes:
        """Its bytes, no two parts the same."""
        return hashlib.shake_128(b"").digest(self.size)


def images(part: int) -> list[Image]:
    """Empty, short, of whole parts, of three parts. The last one is of an unknown size: of a known one glance_store 5.7
    says that the last chunk is a whole one, and Swift waits for it."""
    known, unknown = (1000, 2 * part), (0, 2 * part + 9)
    return [*(Image(size) for size in known), *(Image(size, known=False) for size in unknown)]


class Shop:
    """`theirs` and `ours`, on one place, as Glance makes them of one file."""

    def __init__(self, file: Path, sections: dict[str, dict[str, object]]) -> None:
        lines = ["[DEFAULT]", f"enabled_backends = {', '.join(sections)}", "[glance_store]", "default_backend = ours"]
        for name, options in sections.items():
            lines += [f"[{name.partition(':')[0]}]", *(f"{option} = {value}" for option, value in options.items())]
        file.write_text("\n".join(lines))
        self.conf = cfg.ConfigOpts()
        self.conf(args=[], default_config_files=[str(file)])
        self.conf.register_opt(cfg.DictOpt("enabled_backends"))
        multi_backend.register_store_opts(self.conf)
        multi_backend.create_multi_stores(self.conf)
        self.types = {name.partition(":")[0]: name.partition(":")[2] for name in sections}

    def at(self, store: str, url: str) -> Any:
        """What Glance hands over for a URL of its database."""
        return location.get_location_from_uri_and_backend(url, store, conf=self.conf)

    def store(self, name: str) -> Any:
        """One of the two."""
        return location.SCHEME_TO_CLS_BACKEND_MAP[self.types[name]][name]["store"]

    def add(self, writer: str, image: Image) -> str:
        """The URL of a new object."""
        size = image.size if image.known else 0
        url, stored, *_ = self.store(writer).add(new_id(), io.BytesIO(image.body), size, "sha256", context=None)
        assert stored == image.size
        return str(url)

    def read(self, reader: str, url: str, **part: int) -> bytes:
        """All, or a part."""
        data, size = self.store(reader).get(self.at(reader, url), **part)
        body = b"".join(data)
        assert len(body) == int(size)
        return body

    def check(self, writer: str, deleter: str, image: Image) -> None:
        """One cell of the table: written by one, read by both, deleted by the other."""
        url = self.add(writer, image)
        for reader in BOTH:
            assert self.read(reader, url) == image.body
            assert self.store(reader).get_size(self.at(reader, url)) == image.size
        if image.size:
            middle = image.size // 2  # of a large one, the border of two parts or close to it
            assert self.read("ours", url, offset=middle - 3, chunk_size=6) == image.body[middle - 3 : middle + 3]
        self.store(deleter).delete(self.at(deleter, url))
        with pytest.raises(exceptions.NotFound):
            self.store(deleter).delete(self.at(deleter, url))


@pytest.fixture(params=["swift", pytest.param("rgw", marks=needs_rgw)])
def account(request: pytest.FixtureRequest) -> SwiftAccount:
    """A fresh account of either server."""
    if request.param == "rgw":
        rgw: RgwServer = request.getfixturevalue("rgw")
        return rgw.account()
    swift_with: SwiftFactory = request.getfixturevalue("swift_with")
    return swift_with(SwiftSettings()).account()


def swift_sections(root: Path, account: SwiftAccount, keystone: str) -> dict[str, dict[str, object]]:
    """Both on the account that one file names."""
    file = root / "accounts.conf"
    file.write_text(f"[ref1]\nuser = {account.login}\nkey = {account.key}\nauth_address = {keystone}\n")
    return {
        "theirs:swift": {
            "swift_store_config_file": file, "default_swift_reference": "ref1", "swift_store_container": "images",
            "swift_store_large_object_size": 1, "swift_store_large_object_chunk_size": 1,
            "swift_store_create_container_on_put": True,
        },
        "ours:imgstore_swift": {
            "account_file": file, "reference": "ref1", "container": "images", "create_container": True,
            "segment_size": CHUNK, "large_object_threshold": CHUNK, "places_dir": root / "places",
        },
    }  # fmt: skip


def s3_sections(root: Path, account: SwiftAccount) -> dict[str, dict[str, object]]:
    """Both on a bucket of the account."""
    url, region, bucket = account.auth_url.removesuffix("/auth/v1.0"), SwiftSettings().region, account.container()
    return {
        "theirs:s3": {
            "s3_store_host": url, "s3_store_region_name": region, "s3_store_bucket": bucket,
            "s3_store_access_key": account.access_key, "s3_store_secret_key": account.key,
            "s3_store_bucket_url_format": "path", "s3_store_large_object_size": PART // MIB,
            "s3_store_large_object_chunk_size": PART // MIB,
        },
        "ours:imgstore_s3": {
            "endpoint_url": url, "region": region, "bucket": bucket, "access_key": account.access_key,
            "secret_key": account.key, "part_size": PART, "multipart_threshold": PART, "places_dir": root / "places",
        },
    }  # fmt: skip


@contextlib.contextmanager
def nothing_left(account: SwiftAccount) -> Iterator[None]:
    """All is gone in the end but what a store notes; Swift's S3 API has parts removed later."""
    yield
    until(lambda: all(name.rpartition("/")[2] in NOTES for name in account.everything()))


@pytest.mark.parametrize("writer", BOTH)
def test_either_reads_and_deletes_what_the_other_wrote_in_swift(
    tmp_path: Path, account: SwiftAccount, writer: str
) -> None:
    with TokenExchange(account.auth_url) as keystone, nothing_left(account):
        shop = Shop(tmp_path / "glance.conf", swift_sections(tmp_path, account, keystone.url))
        for image in images(CHUNK):
            for deleter in BOTH:
                shop.check(writer, deleter, image)


@pytest.mark.parametrize("account", [pytest.param("rgw", marks=needs_rgw)], indirect=True)
@pytest.mark.parametrize("writer", BOTH)
def test_either_reads_and_deletes_what_the_other_wrote_in_s3(
    tmp_path: Path, account: SwiftAccount, writer: str
) -> None:
    with nothing_left(account):
        shop = Shop(tmp_path / "glance.conf", s3_sections(tmp_path, account))
        for image in (Image(0), Image(1000), Image(2 * PART + 9)):
            for deleter in BOTH:
                shop.check(writer, deleter, image)
