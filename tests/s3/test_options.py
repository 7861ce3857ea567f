"""Options: what cannot work is refused with the option's name, before anything is asked of a server."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imgstore import config, errors
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3.options import S3Options
from imgstore.store import StoreSet
from imgstore.testing.faults import FaultProxy
from tests.s3.places import MotoPlace
from tests.s3.support import BEGIN, KEY, LARGE, OTHER, PUT

GIB = 1024**3

WRONG: dict[str, tuple[object, ...]] = {
    "endpoint_url": (
        "s3.example.org", "ftp://s3.example.org", "https://", "https://s3.example.org:0", "https://s3.example.org:x",
        "https://user:hidden@s3.example.org", "https://s3.example.org/?a=b", "https://s3 .example.org",
    ),
    "bucket": (None, "", "a/b", "a..b"),
    "prefix": ("../x", ".x", "a b", "x" * 401),
    "addressing_style": ("host",), "retry_mode": ("legacy",), "checksum": ("crc16",), "encryption": ("rot13",),
    "max_attempts": (0,), "connect_timeout": (0,), "read_timeout": (-1.0, math.nan, math.inf),
    "max_pool_connections": (0,),
    "part_size": (1000, 6 * GIB), "multipart_threshold": (-1, 6 * GIB), "concurrency": (0, True),
    "max_parts": (1, 10_001), "read_concurrency": (0,), "read_block_size": (1,), "capacity": (-1,),
    "tags": ({"": "x"}, {str(number): "x" for number in range(11)}), "kms_key_id": ("k",), "client_key": ("/k",),
}  # fmt: skip
TOGETHER: list[tuple[str, dict[str, Any]]] = [
    ("secret_key", {"access_key": "a"}),
    ("access_key", {"secret_key": "s"}),
    ("session_token", {"session_token": "t"}),
    ("profile", {"profile": "p", "access_key": "a", "secret_key": "s"}),
    ("kms_key_id", {"kms_key_id": "k", "encryption": "AES256"}),
    ("ca_bundle", {"ca_bundle": "/c", "verify": False}),
]
GOOD: list[dict[str, Any]] = [
    {"prefix": "/images/"}, {"prefix": "a//b"}, {"tags": {"a": "b"}}, {"capacity": 0}, {"multipart_threshold": 0},
    {"encryption": "aws:kms", "kms_key_id": "k"}, {"endpoint_url": "http://127.0.0.1:9000/path/"},
    {"bucket": "Old_Bucket.Name"}, {"profile": "", "access_key": "", "secret_key": "", "endpoint_url": ""},
]  # fmt: skip


def test_what_cannot_work_is_refused_by_name() -> None:
    alone = [(option, {option: value}) for option, values in WRONG.items() for value in values]
    for option, values in [*alone, *TOGETHER]:
        with pytest.raises(errors.ConfigurationError) as caught:
            S3Driver(**{"bucket": "images", **values})
        assert caught.value.option == option
        assert "hidden" not in str(caught.value)
    with pytest.raises(TypeError, match="endpoint"):
        S3Driver(bucket="images", endpoint="https://s3.example.org")


def test_what_can_work_is_taken() -> None:
    for values in GOOD:
        S3Driver(**{"bucket": "images", **values})


def test_a_checksum_whose_module_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("crc32c", "crc64nvme"):
        with pytest.raises(errors.ConfigurationError, match=r"botocore\[crt\]") as caught:
            S3Driver(bucket="images", checksum=name)
        assert caught.value.option == "checksum"


def test_secrets_are_marked_as_such() -> None:
    secret = {option.name for option in S3Driver.OPTIONS if option.secret}
    assert secret == {"access_key", "secret_key", "session_token"}


def stores_of(tmp_path: Path, **options: object) -> StoreSet:
    """What a file with these options makes."""
    lines = [f"{name} = {value}" for name, value in options.items()]
    (tmp_path / "imgstore.conf").write_text("\n".join(["[imgstore]", "enabled_stores = s3:s3", "[s3]", *lines]))
    return config.build_stores(config.load([str(tmp_path / "imgstore.conf")]))


def test_a_file_of_the_operators_makes_a_store(tmp_path: Path, moto_place: MotoPlace, proxy: FaultProxy) -> None:
    names = ("endpoint_url", "bucket", "region", "access_key", "secret_key")
    options = {name: moto_place.options[name] for name in names}
    stores = stores_of(tmp_path, **options, part_size="5MiB", tags="owner:images, b:2", concurrency=3, profile="")
    stores.check(create=True)
    stores.close()
    assert proxy.seen(**PUT)[0].headers["x-amz-tagging"] == "owner=images&b=2"


def test_a_wrong_value_in_a_file_shows_no_secret(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^\[s3\] secret_key: is not set") as caught:
        stores_of(tmp_path, bucket="b", access_key="hidden")
    assert "hidden" not in str(caught.value)


def test_where_boto3_is_missing_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "imgstore.conf").write_text("[imgstore]\nenabled_stores = s3:s3\n[s3]\nbucket = b\n")
    code = (
        "import sys; sys.modules['boto3'] = None; from imgstore import config\n"
        f"config.build_stores(config.load([{str(tmp_path / 'imgstore.conf')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'imgstore-backends[s3]'" in run.stderr


def test_what_new_objects_get_is_sent_with_each(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    driver = moto_place.driver(storage_class="STANDARD", tags={"owner": "images and more", "b": "2"})
    moto_place.put(driver, b"x")
    moto_place.put(driver, LARGE, OTHER)
    for seen in (proxy.seen(**PUT)[0], proxy.seen(**BEGIN)[0]):
        assert seen.headers["x-amz-storage-class"] == "STANDARD"
        assert seen.headers["x-amz-tagging"] == "owner=images+and+more&b=2"
        assert seen.headers["content-type"] == "application/octet-stream"
        assert seen.headers["x-amz-meta-imgstore-attempt"]


def test_encryption_is_asked_for(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    header = "x-amz-server-side-encryption"
    for encryption, key in (("AES256", None), ("aws:kms", "key")):
        moto_place.put(moto_place.driver(encryption=encryption, kms_key_id=key), b"x", f"{KEY}.{encryption[:3]}")
        sent = proxy.seen(**PUT)[-1].headers
        assert (sent[header], sent.get(f"{header}-aws-kms-key-id")) == (encryption, key)


HOSTS = (
    ("auto", "http://s3.example.org", "s3.example.org"),
    ("path", "http://s3.example.org", "s3.example.org"),
    ("virtual", "http://s3.example.org", "images.s3.example.org"),
    ("auto", None, "images.s3.amazonaws.com"),
)


def test_the_addressing_style_places_the_bucket_in_the_url() -> None:
    keys = {"access_key": "a", "secret_key": "s", "region": "us-east-1"}
    for style, endpoint, host in HOSTS:
        driver = S3Driver(bucket="images", addressing_style=style, endpoint_url=endpoint, **keys)
        assert driver.temporary_url(KEY, seconds=1).split("/")[2].removesuffix(":80") == host


def test_an_image_in_parts_can_be_as_large_as_s3_allows() -> None:
    options = S3Options(bucket="images")
    sizes = options.part_sizes(None)
    reached = [sizes.size_of(number) for number in range(1, options.max_parts + 1)]
    assert sum(reached) >= 5 * 1024**4 - 10_000
    assert max(reached) <= 5 * GIB
    assert options.part_sizes(5 * 1024**4).size_of(1) * 10_000 >= 5 * 1024**4
    with pytest.raises(errors.StoreFull):
        options.part_sizes(5 * 1024**4 + 1)
