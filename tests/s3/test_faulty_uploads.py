"""Uploads whose requests fail: repeated where that is safe, ended as the right error where it is not, nothing left."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.driver.multipart import Part
from imgstore.drivers.s3 import writer as s3_writer
from tests.s3.places import SwiftPlace
from tests.s3.support import KEY, Like, body, get, put
from tests.support.faults import (
    Corrupt,
    CutRequest,
    DelayAnswer,
    DropAnswer,
    FaultProxy,
    Reset,
    Respond,
    s3_error,
)

pytestmark = pytest.mark.usefixtures("no_pauses")

PART = 64 * 1024
LARGE = body(PART * 3 + 5)
SMALL = body(1000)

BEGIN: Like = {"method": "POST", "query": "^uploads"}
ANY_PART: Like = {"method": "PUT", "query": "partNumber="}
SECOND: Like = {"method": "PUT", "query": "partNumber=2"}
COMPLETE: Like = {"method": "POST", "query": "uploadId="}
ABORT: Like = {"method": "DELETE", "query": "uploadId="}
PUT: Like = {"method": "PUT", "query": "^$"}

PASSING = {
    "500": s3_error(500, "InternalError"),
    "503": s3_error(503, "SlowDown"),
    "503 before the body": s3_error(503, "SlowDown", early=True),
    "reset": Reset(),
    "reset before the body": Reset(early=True),
    "reset in the body": CutRequest(10),
    "answer lost": DropAnswer(),
    "no answer in time": DelayAnswer(2.0),
}


def patience(fault: Respond) -> float:
    """Seconds: short where it is what ends a try, else long, so that a busy machine does not end one."""
    return 0.5 if isinstance(fault, (DelayAnswer, DropAnswer)) else 10.0


passing = pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
STEPS = {"begin": BEGIN, "a part": SECOND, "complete": COMPLETE}
STEPS_FAILING = {
    f"{step}-{name}": (request, fault)
    for step, request in STEPS.items()
    for name, fault in PASSING.items()
    if not (request is BEGIN and isinstance(fault, CutRequest))  # it has no body
}
step_failing = pytest.mark.parametrize(("request_", "fault"), STEPS_FAILING.values(), ids=STEPS_FAILING)


@passing
def test_small_image_survives_what_passes(swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond) -> None:
    proxy.on(fault, **PUT, times=2)
    driver = swift_place.driver(read_timeout=patience(fault))
    info = put(driver, SMALL)
    assert driver.stat(KEY).etag == info.etag
    assert get(driver) == SMALL
    swift_place.kept.add(KEY)


@step_failing
def test_large_image_survives_what_passes(
    swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond, request_: Like
) -> None:
    rule = proxy.on(fault, **request_, times=2)
    driver = swift_place.driver(read_timeout=patience(fault), equal_parts=True)
    put(driver, LARGE)
    assert rule.hits == 2
    assert get(driver) == LARGE
    swift_place.kept.add(KEY)


@step_failing
def test_large_image_leaves_nothing_where_it_does_not_pass(
    swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond, request_: Like
) -> None:
    if request_ is COMPLETE:
        proxy.on(s3_error(503, "SlowDown"), method="HEAD", times=3)  # it cannot be looked up either, at first
    proxy.on(fault, **request_, times=3)
    with pytest.raises(errors.StoreUnavailable) as caught:
        put(swift_place.driver(read_timeout=patience(fault), equal_parts=True), LARGE)
    assert caught.value.retryable
    proxy.wait_until_idle()


@passing
def test_small_image_leaves_nothing_where_it_does_not_pass(
    swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond
) -> None:
    proxy.on(fault, **PUT, times=3)
    proxy.on(s3_error(503, "SlowDown"), method="HEAD", times=3)
    with pytest.raises(errors.StoreUnavailable):
        put(swift_place.driver(read_timeout=patience(fault)), SMALL)
    proxy.wait_until_idle()


@pytest.mark.parametrize(("data", "request_"), [(SMALL, PUT), (LARGE, COMPLETE)], ids=["small", "large"])
def test_an_image_whose_last_answers_are_all_lost_is_found_to_be_there(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like
) -> None:
    proxy.on(DropAnswer(), **request_, times=None)
    driver = swift_place.driver()
    info = put(driver, data)
    proxy.heal()
    assert (info.size, info.etag) == (len(data), driver.stat(KEY).etag)
    assert get(driver) == data
    swift_place.kept.add(KEY)


def test_an_error_in_a_200_is_an_error(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    rule = proxy.on(s3_error(200, "InternalError"), **COMPLETE, times=1)
    driver = swift_place.driver()
    put(driver, LARGE)
    assert rule.hits == 1
    assert get(driver) == LARGE
    driver.delete(KEY)
    proxy.on(s3_error(200, "InternalError"), **COMPLETE, times=None)
    with pytest.raises(errors.StoreUnavailable):
        put(driver, LARGE)


def test_uploads_that_were_begun_unnoticed_are_aborted_and_others_are_not(
    swift_place: SwiftPlace, proxy: FaultProxy
) -> None:
    driver = swift_place.driver()
    with driver.open_writer(f"{KEY}.2", size=len(LARGE)) as beside:
        beside.write(LARGE[:PART])
        proxy.on(DropAnswer(), **BEGIN, times=2)
        put(driver, LARGE)
        beside.write(LARGE[PART:])
        beside.commit()
    assert get(driver, f"{KEY}.2") == LARGE
    swift_place.kept |= {KEY, f"{KEY}.2"}


def test_an_abort_that_does_nothing_is_noticed(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Respond(204), **ABORT, times=2)
    with swift_place.driver().open_writer(KEY) as writer:
        writer.write(LARGE)
    assert proxy.count(**ABORT) == 3


def test_nothing_is_aborted_while_a_part_is_in_flight(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(DelayAnswer(1.0), method="PUT", query="partNumber=1")
    proxy.on(s3_error(403, "AccessDenied"), **SECOND)
    with pytest.raises(errors.StoreUnavailable, match="AccessDenied"):
        put(swift_place.driver(concurrency=3), LARGE)
    proxy.wait_until_idle()
    kinds = [(seen.method, seen.arguments.get("partNumber", "")) for seen in proxy.requests]
    first_abort = next(number for number, (method, _) in enumerate(kinds) if method == "DELETE")
    assert all(method != "PUT" for method, _ in kinds[first_abort:])
    (first,) = proxy.seen(method="PUT", query="partNumber=1")
    assert first.status == 200  # it ended, and not by being given up


class Unforeseen(BaseException):
    """None that anybody expects."""


@pytest.mark.parametrize("failure", [ZeroDivisionError(), MemoryError(), Unforeseen()], ids=repr)
def test_a_failure_of_any_class_on_any_thread_leaves_nothing(
    swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    send = s3_writer.S3Writer._send

    def fail(self: s3_writer.S3Writer, part: Part) -> object:
        if part.number == 2:
            raise failure
        return send(self, part)

    monkeypatch.setattr(s3_writer.S3Writer, "_send", fail)
    with pytest.raises((errors.StoreUnavailable, Unforeseen)):
        put(swift_place.driver(), LARGE)


@pytest.mark.parametrize(("data", "request_"), [(SMALL, PUT), (LARGE, COMPLETE)], ids=["small", "large"])
def test_a_condition_that_the_server_does_not_know_is_not_sent_again(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like
) -> None:
    proxy.on(s3_error(501, "NotImplemented"), **request_)
    driver = swift_place.driver()
    put(driver, data)
    put(driver, data, f"{KEY}.2")
    conditions = ["if-none-match" in seen.headers for seen in proxy.seen(**request_)]
    assert conditions == [True, False, False]
    swift_place.kept |= {KEY, f"{KEY}.2"}


def test_a_checksum_that_the_server_does_not_know_is_not_sent_again(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(400, "InvalidRequest"), **PUT, times=2)
    driver = swift_place.driver(checksum="crc32")
    put(driver, SMALL)
    put(driver, SMALL, f"{KEY}.2")
    sent = [[name for name in seen.headers if "checksum" in name or "md5" in name] for seen in proxy.seen(**PUT)]
    assert sent == [["x-amz-checksum-crc32"], ["x-amz-checksum-crc32"], [], ["content-md5"]]
    swift_place.kept |= {KEY, f"{KEY}.2"}


def test_what_a_server_does_not_mean_is_not_learned(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(400, "InvalidArgument"), **PUT, times=3)
    driver = swift_place.driver()
    with pytest.raises(errors.StoreUnavailable):
        put(driver, SMALL)
    put(driver, SMALL)
    assert proxy.seen(**PUT)[-1].headers["if-none-match"] == "*"
    swift_place.kept.add(KEY)


FULL = {
    "QuotaExceeded": (403, "QuotaExceeded"),
    "EntityTooLarge": (400, "EntityTooLarge"),
    "InsufficientStorage": (507, "InsufficientStorage"),
    "MinIO's disk": (507, "XMinioStorageFull"),
    "MinIO's quota": (400, "XMinioAdminBucketQuotaExceeded"),
    "413": (413, "413"),
}


@pytest.mark.parametrize(("status", "code"), FULL.values(), ids=FULL)
@pytest.mark.parametrize(("data", "request_"), [(SMALL, PUT), (LARGE, SECOND), (LARGE, COMPLETE)])
def test_a_server_without_room_is_full(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like, status: int, code: str
) -> None:
    proxy.on(s3_error(status, code, early=True), **request_, times=None)
    with pytest.raises(errors.StoreFull) as caught:
        put(swift_place.driver(), data)
    assert caught.value.status == 413


def test_a_real_quota_is_full_too(swift_place: SwiftPlace) -> None:
    swift_place.account.set_container_quota(swift_place.bucket, 500)
    with pytest.raises(errors.StoreFull):
        put(swift_place.driver(), SMALL)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (403, "RequestTimeTooSkewed"),
     (404, "NoSuchBucket"), (404, "NoSuchUpload"), (400, "AuthorizationHeaderMalformed"), (409, "OperationAborted")],
)  # fmt: skip
@pytest.mark.parametrize(("data", "request_"), [(SMALL, PUT), (LARGE, BEGIN), (LARGE, SECOND), (LARGE, COMPLETE)])
def test_a_refusal_is_the_stores_fault_and_says_no_more_than_its_code(
    swift_place: SwiftPlace, proxy: FaultProxy, data: bytes, request_: Like, status: int, code: str
) -> None:
    proxy.on(s3_error(status, code, message=f"key {swift_place.secret_key}"), **request_, times=None)
    with pytest.raises(errors.StoreUnavailable) as caught:
        put(swift_place.driver(), data)
    error = caught.value
    assert (error.status, error.retryable, code in error.message) == (503, True, True)
    assert swift_place.secret_key not in f"{error!r} {error.detail}"
    assert (error.__cause__, error.__suppress_context__) == (None, True)
    assert (error.detail or "").startswith(f"{code} (status {status})")


def test_a_part_that_was_damaged_on_the_way_is_sent_again(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Corrupt(1000, request=True), **SECOND)
    driver = swift_place.driver(checksum="md5")
    put(driver, LARGE)
    assert get(driver) == LARGE
    assert [seen.status for seen in proxy.seen(**SECOND)] == [400, 200]
    swift_place.kept.add(KEY)
