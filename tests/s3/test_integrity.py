"""Every byte is accounted for: by the checksum that the server returns, by its ETag, or by reading back."""

from __future__ import annotations

import base64
import hashlib
import logging
import zlib

import pytest

from imgstore import errors
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3.check import CONTENT
from imgstore.drivers.s3.integrity import ALGORITHMS
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.s3.support import KEY, Like, body, get, put
from tests.support.faults import ChangeHeaders, Corrupt, FaultProxy, ReplaceAnswer

pytestmark = pytest.mark.usefixtures("no_pauses")

PART = 64 * 1024
SMALL = body(1000)
LARGE = body(PART * 2 + 5)
WHOLE: Like = {"method": "PUT", "query": "^$"}
ANY_PART: Like = {"method": "PUT", "query": "partNumber="}
COMPLETE: Like = {"method": "POST", "query": "uploadId="}

both = pytest.mark.parametrize(("data", "request_"), [(SMALL, WHOLE), (LARGE, ANY_PART)], ids=["small", "large"])


def etag() -> ChangeHeaders:
    """The answer has the md5 of something else."""
    return ChangeHeaders({"ETag": f'"{hashlib.md5(b"else").hexdigest()}"'})


def crc32(data: bytes) -> ChangeHeaders:
    """The answer has this checksum."""
    text = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    return ChangeHeaders({"x-amz-checksum-crc32": text})


def proven(place: Place, proxy: FaultProxy) -> S3Driver:
    """A driver that has been checked on a server that returns checksums."""
    proxy.on(crc32(CONTENT), method="PUT", path="imgstore-probe", times=None)
    driver = place.driver()
    driver.check()
    return driver


def checksums(proxy: FaultProxy, **like: str) -> list[set[str]]:
    """What was sent along with each body of an image."""
    bodies = [seen for seen in proxy.seen(method="PUT", **like) if "imgstore-probe" not in seen.path]
    return [{name for name in seen.headers if "checksum" in name or "md5" in name} for seen in bodies]


@pytest.mark.parametrize("algorithm", ["auto", "md5", "crc32", "sha1", "sha256"])
def test_every_checksum_works_on_every_server(place: Place, algorithm: str) -> None:
    driver = place.driver(checksum=algorithm)
    for key, data in ((KEY, SMALL), (f"{KEY}.2", LARGE), (f"{KEY}.3", b"")):
        put(driver, data, key)
        place.kept.add(key)
        assert get(driver, key) == data


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("crc32", "cbf43926"), ("sha1", hashlib.sha1(b"123456789").hexdigest()),
     ("sha256", hashlib.sha256(b"123456789").hexdigest())],
)  # fmt: skip
def test_the_checksums_are_what_they_are_called(algorithm: str, value: str) -> None:
    assert ALGORITHMS[algorithm](memoryview(b"123456789")).hex() == value


def test_a_server_that_compares_and_returns_is_sent_the_cheap_one_which_is_all_the_proof_it_needs(
    swift_place: SwiftPlace, proxy: FaultProxy
) -> None:
    driver = proven(swift_place, proxy)
    proxy.on(crc32(SMALL), **WHOLE, path=f"{KEY}$", times=None)
    proxy.on(ChangeHeaders({"ETag": '"of-something-else"'}), **WHOLE, path=f"{KEY}$")
    for number in range(3):
        proxy.on(crc32(LARGE[number * PART : (number + 1) * PART]), method="PUT", query=f"partNumber={number + 1}")
    put(driver, SMALL)
    put(driver, LARGE, f"{KEY}.2")
    assert checksums(proxy) == [{"x-amz-checksum-crc32"}] * 4
    assert not proxy.seen(method="GET", path=KEY)
    (begun,) = proxy.seen(method="POST", query="^uploads", path=KEY)
    assert begun.headers["x-amz-checksum-algorithm"] == "CRC32"
    swift_place.kept |= {KEY, f"{KEY}.2"}


def test_a_server_that_returns_what_it_does_not_compare_is_sent_an_md5(
    moto_place: MotoPlace, moto_proxy: FaultProxy
) -> None:
    put(proven(moto_place, moto_proxy), SMALL)
    assert checksums(moto_proxy) == [{"content-md5"}]
    moto_place.kept.add(KEY)


def test_a_server_that_returns_none_is_sent_an_md5(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    driver.check()
    put(driver, SMALL)
    assert checksums(proxy) == [{"content-md5"}]
    sent = proxy.requests[-1].headers["content-md5"]
    assert base64.b64decode(sent) == hashlib.md5(SMALL).digest()
    swift_place.kept.add(KEY)


@both
def test_another_checksum_in_the_answer_condemns_the_object(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like
) -> None:
    driver = proven(swift_place, proxy)
    proxy.on(ChangeHeaders({"x-amz-checksum-crc32": "AAAAAA=="}), **request_, times=None)
    with pytest.raises(errors.IntegrityError):
        put(driver, data)


@both
def test_an_etag_that_is_no_md5_of_ours_condemns_the_object_of_a_server_whose_etags_are(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like
) -> None:
    driver = swift_place.driver()
    driver.check()
    proxy.on(etag(), **request_, times=None)
    with pytest.raises(errors.IntegrityError):
        put(driver, data)


KMS = ChangeHeaders({"x-amz-server-side-encryption": "aws:kms"})
UNCONFIRMED = {
    "another md5": (SMALL, WHOLE, etag()),
    "no md5": (SMALL, WHOLE, ChangeHeaders({"ETag": '"not-an-md5"'})),
    "kms": (SMALL, WHOLE, KMS),
    "kms, large": (LARGE, ANY_PART, KMS),
}


@pytest.mark.parametrize(("data", "request_", "answer"), UNCONFIRMED.values(), ids=UNCONFIRMED)
def test_what_is_not_confirmed_is_read_back(
    swift_place: SwiftPlace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, data: bytes,
    request_: Like, answer: ChangeHeaders,
) -> None:  # fmt: skip
    proxy.on(answer, **request_, times=None)
    with caplog.at_level(logging.WARNING, logger="imgstore"):
        put(swift_place.driver(), data)
    records = [record for record in caplog.records if record.name.startswith("imgstore.drivers")]
    assert [record.message for record in records] == [
        "The S3 server confirms no checksum of what it stores: every object is read back"
    ]
    ranges = [seen.headers["range"] for seen in proxy.seen(method="GET")]
    assert ranges[0] == f"bytes=0-{min(len(data), PART) - 1}"
    assert len(ranges) == -(-len(data) // PART)
    swift_place.kept.add(KEY)


@both
def test_what_is_not_confirmed_and_not_the_same_is_removed(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like
) -> None:
    proxy.on(KMS, **request_, times=None)
    proxy.on(Corrupt(3), method="GET")
    with pytest.raises(errors.IntegrityError, match="read back"):
        put(swift_place.driver(), data)


@pytest.mark.parametrize("name", ["x-amz-checksum-crc32", "content-md5"])
def test_bytes_that_are_damaged_on_the_way_are_refused_by_a_server_that_compares(
    swift_place: SwiftPlace, proxy: FaultProxy, name: str
) -> None:
    driver = swift_place.driver(checksum="md5" if name == "content-md5" else "crc32")
    proxy.on(Corrupt(10, request=True), **WHOLE)
    with pytest.raises(errors.IntegrityError):
        put(driver, SMALL)


def test_bytes_that_are_damaged_on_the_way_are_noticed_where_the_server_does_not_compare(
    moto_place: MotoPlace, moto_proxy: FaultProxy
) -> None:
    """moto compares nothing, but its ETag is of what it has."""
    driver = moto_place.driver(checksum="md5")
    driver.check()
    moto_proxy.on(Corrupt(10, request=True), **WHOLE)
    with pytest.raises(errors.IntegrityError):
        put(driver, SMALL)


def test_parts_that_were_put_together_otherwise_are_noticed(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    text = f"<CompleteMultipartUploadResult><ETag>&quot;{'0' * 32}-3&quot;</ETag></CompleteMultipartUploadResult>"
    proxy.on(ReplaceAnswer(200, text.encode(), {"Content-Type": "application/xml"}), **COMPLETE)
    with pytest.raises(errors.IntegrityError, match="something else"):
        put(swift_place.driver(checksum="md5"), LARGE)


@pytest.mark.parametrize("tag", ["", '"whatever"'])
def test_an_etag_that_says_nothing_of_the_whole_is_no_fault(
    swift_place: SwiftPlace, proxy: FaultProxy, tag: str
) -> None:
    text = f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
    proxy.on(ReplaceAnswer(200, text.encode(), {"Content-Type": "application/xml"}), **COMPLETE)
    driver = swift_place.driver()
    info = put(driver, LARGE)
    assert info.etag == (tag.strip('"') or None)
    assert get(driver) == LARGE
    swift_place.kept.add(KEY)
