"""Every byte is accounted for: by the checksum that the server returns, by its ETag, or by reading back."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from imgstore import errors
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3.check import CONTENT
from imgstore.drivers.s3.integrity import ALGORITHMS
from imgstore.drivers.s3.requests import MARKER
from imgstore.testing.faults import ChangeHeaders, Corrupt, Fault, FaultProxy, ReplaceAnswer, s3_error
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.s3.support import ANY_PART, BEGIN, COMPLETE, KEY, LARGE, OTHER, PART, PUT, SMALL, Like, get

Step = tuple[bytes, Like]
both = pytest.mark.parametrize("step", [(SMALL, PUT), (LARGE, ANY_PART)], ids=["small", "large"])


def etag() -> ChangeHeaders:
    """The answer has the md5 of something else."""
    return ChangeHeaders({"ETag": f'"{hashlib.md5(b"else").hexdigest()}"'})


def crc32(data: bytes) -> ChangeHeaders:
    """The answer has this checksum."""
    text = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    return ChangeHeaders({"x-amz-checksum-crc32": text})


def proven(place: Place, proxy: FaultProxy) -> S3Driver:
    """A driver that has been checked on a server that returns checksums."""
    proxy.on(crc32(bytes(CONTENT)), method="PUT", path="imgstore-probe", times=None)
    driver = place.driver()
    driver.check()
    return driver


def checksums(proxy: FaultProxy, **like: str) -> list[set[str]]:
    """What was sent along with each body of an image."""
    bodies = [seen for seen in proxy.seen(method="PUT", **like) if "imgstore-probe" not in seen.path]
    return [{name for name in seen.headers if "checksum" in name or "md5" in name} for seen in bodies]


def test_every_checksum_works_on_every_server(place: Place) -> None:
    for algorithm in ("auto", "md5", "crc32", "sha1", "sha256"):
        driver = place.driver(checksum=algorithm)
        for data in (SMALL, LARGE, b""):
            place.put(driver, data)
            assert get(driver) == data
            driver.delete(KEY)
    place.kept.clear()


def test_the_checksums_are_what_they_are_called() -> None:
    data = b"123456789"
    values = {"crc32": "cbf43926", "sha1": hashlib.sha1(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    assert {name: ALGORITHMS[name](memoryview(data)).hex() for name in values} == values


def test_a_proven_crc32_is_all_that_is_sent(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = proven(swift_place, proxy)
    proxy.on(crc32(SMALL), **PUT, path=f"{KEY}$", times=None)
    proxy.on(ChangeHeaders({"ETag": '"of-something-else"'}), **PUT, path=f"{KEY}$")
    for number in range(3):
        proxy.on(crc32(LARGE[number * PART : (number + 1) * PART]), method="PUT", query=f"partNumber={number + 1}")
    swift_place.put(driver, SMALL)
    swift_place.put(driver, LARGE, OTHER)
    assert checksums(proxy) == [{"x-amz-checksum-crc32"}] * 4
    assert not proxy.seen(method="GET", path=KEY)
    (begun,) = proxy.seen(**BEGIN, path=KEY)
    assert begun.headers["x-amz-checksum-algorithm"] == "CRC32"


def test_a_server_that_compares_nothing_is_sent_an_md5(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    moto_place.put(proven(moto_place, proxy), SMALL)
    assert checksums(proxy) == [{"content-md5"}]


def test_a_server_that_returns_none_is_sent_an_md5(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    driver.check()
    swift_place.put(driver, SMALL)
    assert checksums(proxy) == [{"content-md5"}]
    sent = proxy.requests[-1].headers["content-md5"]
    assert base64.b64decode(sent) == hashlib.md5(SMALL).digest()


@both
def test_another_checksum_condemns_the_object(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    driver = proven(swift_place, proxy)
    proxy.on(ChangeHeaders({"x-amz-checksum-crc32": "AAAAAA=="}), **request, times=None)
    with pytest.raises(errors.IntegrityError):
        swift_place.put(driver, data)


@both
def test_another_md5_condemns_the_object(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    driver = swift_place.driver()
    driver.check()
    proxy.on(etag(), **request, times=None)
    with pytest.raises(errors.IntegrityError):
        swift_place.put(driver, data)


KMS = ChangeHeaders({"x-amz-server-side-encryption": "aws:kms"})
UNCONFIRMED = {
    "another md5": (SMALL, PUT, etag()),
    "no md5": (SMALL, PUT, ChangeHeaders({"ETag": '"not-an-md5"'})),
    "kms": (SMALL, PUT, KMS),
    "kms, large": (LARGE, ANY_PART, KMS),
}


@pytest.mark.parametrize("answer", UNCONFIRMED.values(), ids=UNCONFIRMED)
def test_what_is_not_confirmed_is_read_back(
    swift_place: SwiftPlace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture, answer: tuple[bytes, Like, Fault]
) -> None:
    data, request, fault = answer
    proxy.on(fault, **request, times=None)
    swift_place.put(swift_place.driver(), data)
    records = [record.message for record in caplog.records if record.name.startswith("imgstore.drivers")]
    assert records == ["The S3 server confirms no checksum of what it stores: every object is read back"]
    ranges = [seen.headers["range"] for seen in proxy.seen(method="GET")]
    assert ranges[0] == f"bytes=0-{min(len(data), PART) - 1}"
    assert len(ranges) == -(-len(data) // PART)


@both
def test_what_is_read_back_otherwise_is_removed(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    proxy.on(KMS, **request, times=None)
    proxy.on(Corrupt(3), method="GET")
    with pytest.raises(errors.IntegrityError, match="read back"):
        swift_place.put(swift_place.driver(), data)


@both
def test_another_writers_object_is_not_read_back(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    proxy.on(KMS, **request, times=None)
    proxy.on(ChangeHeaders({f"x-amz-meta-{MARKER}": "another"}), method="GET", times=None)
    with pytest.raises(errors.IntegrityError, match="read back"):
        swift_place.put(swift_place.driver(), data)


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "InvalidRequest"), (429, "SlowDown")])
def test_only_a_refused_digest_proves_a_checksum(
    swift_place: SwiftPlace, proxy: FaultProxy, status: int, code: str
) -> None:
    probes: Like = {"method": "PUT", "path": "imgstore-probe"}
    tries = 3 if status == 429 else 1
    proxy.on(s3_error(status, code), **probes, query="^$", skip=1, times=tries)
    swift_place.put(proven(swift_place, proxy), SMALL)
    assert checksums(proxy) == [{"content-md5"}]


@pytest.mark.parametrize("checksum", ["crc32", "md5"])
def test_a_server_that_compares_refuses_damaged_bytes(
    swift_place: SwiftPlace, proxy: FaultProxy, checksum: str
) -> None:
    proxy.on(Corrupt(10, request=True), **PUT)
    with pytest.raises(errors.IntegrityError):
        swift_place.put(swift_place.driver(checksum=checksum), SMALL)


def test_damaged_bytes_are_noticed_if_the_server_does_not_compare(moto_place: MotoPlace, proxy: FaultProxy) -> None:
    """moto compares nothing, but its ETag is of what it has."""
    driver = moto_place.driver(checksum="md5")
    driver.check()
    proxy.on(Corrupt(10, request=True), **PUT)
    with pytest.raises(errors.IntegrityError):
        moto_place.put(driver, SMALL)


def completed(etag: str) -> ReplaceAnswer:
    """The upload was completed, with this ETag."""
    text = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
    return ReplaceAnswer(200, text.encode(), {"Content-Type": "application/xml"})


def test_parts_that_were_put_together_otherwise_are_noticed(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(completed(f"&quot;{'0' * 32}-3&quot;"), **COMPLETE)
    with pytest.raises(errors.IntegrityError, match="something else"):
        swift_place.put(swift_place.driver(checksum="md5"), LARGE)


@pytest.mark.parametrize("tag", ["", '"whatever"'])
def test_an_etag_that_is_no_md5_of_the_whole_is_no_fault(swift_place: SwiftPlace, proxy: FaultProxy, tag: str) -> None:
    proxy.on(completed(tag), **COMPLETE)
    driver = swift_place.driver()
    assert swift_place.put(driver, LARGE).etag == (tag.strip('"') or None)
    assert get(driver) == LARGE
