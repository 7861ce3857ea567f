"""Uploads whose requests fail: repeated if that is safe, ended as the right error if it is not, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver import background
from imgstore.driver.multipart import Part
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3 import writer as s3_writer
from imgstore.testing.faults import (
    ChangeHeaders,
    Corrupt,
    CutRequest,
    Delay,
    DelayAnswer,
    DropAnswer,
    Fault,
    FaultProxy,
    Reset,
    Respond,
    s3_error,
)
from tests.s3.places import SwiftPlace
from tests.s3.support import (
    ABORT,
    BEGIN,
    COMPLETE,
    KEY,
    LARGE,
    LIST_UPLOADS,
    OTHER,
    PART,
    PUT,
    SECOND_PART,
    SMALL,
    Like,
    get,
)
from tests.support.failed_undo import recovers_what_stayed
from tests.support.waiting import until

PASSING = {
    "500": s3_error(500, "InternalError"),
    "503": s3_error(503, "SlowDown"),
    "503 before the body": s3_error(503, "SlowDown", early=True),
    "reset": Reset(),
    "reset before the body": Reset(early=True),
    "reset in the body": CutRequest(10),
    "answer lost": DropAnswer(),
    # More than the timeout, and the second for which botocore waits for 100 Continue, together.
    "no answer in time": DelayAnswer(2.0),
}
LOOK_AGAIN = background.look_again
each_passing = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=name, marks=[pytest.mark.long] * isinstance(fault, DelayAnswer))
        for name, fault in PASSING.items()
    ],
)
Step = tuple[bytes, Like]
"""An image, and the request of its upload that fails."""
STEPS = {"small": (SMALL, PUT), "begin": (LARGE, BEGIN), "part": (LARGE, SECOND_PART), "complete": (LARGE, COMPLETE)}
each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
each_last_step = pytest.mark.parametrize("step", [STEPS["small"], STEPS["complete"]], ids=["small", "large"])


def patient(place: SwiftPlace, fault: object = None, *, max_attempts: int = 3) -> S3Driver:
    """Its patience is short only if the end of it is what is tested: a busy machine may not end a request."""
    timeout = 0.7 if isinstance(fault, DelayAnswer) else 10.0
    return place.driver(read_timeout=timeout, equal_parts=True, max_attempts=max_attempts)


def steps_of(fault: Fault) -> list[Step]:
    """Of the requests that make nothing visible each has one fault that comes before the server acts and one that comes
    after it; of the body that is cut, the one that has a body."""
    if isinstance(fault, CutRequest):
        return [STEPS["small"], STEPS["part"]]
    if isinstance(fault, DropAnswer) or fault is PASSING["503"]:
        return list(STEPS.values())
    return [STEPS["small"], STEPS["complete"]]


@each_passing
def test_an_image_survives_failures_that_pass(swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond) -> None:
    # More tries than failures: a connection that the server closed before the body costs one more.
    driver = patient(swift_place, fault, max_attempts=5)
    for data, request in steps_of(fault):
        rule = proxy.on(fault, **request, times=2)
        info = swift_place.put(driver, data)
        assert rule.hits == 2
        assert driver.stat(KEY).etag == info.etag
        assert get(driver) == data
        driver.delete(KEY)
    swift_place.kept.clear()


@each_passing
def test_an_image_leaves_nothing_if_failures_last(swift_place: SwiftPlace, proxy: FaultProxy, fault: Respond) -> None:
    driver = patient(swift_place, fault)
    for data, request in steps_of(fault):
        proxy.on(fault, **request, times=3)
        if request in (PUT, COMPLETE):
            proxy.on(s3_error(503, "SlowDown"), method="HEAD", times=3)  # nor can it be looked up, at first
        with pytest.raises(errors.StoreUnavailable) as caught:
            swift_place.put(driver, data)
        assert caught.value.retryable
        proxy.wait_until_idle()
        assert swift_place.names() == set(), request
        proxy.heal()


@each_last_step
def test_an_image_whose_last_answers_are_lost_is_found(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    proxy.on(DropAnswer(), **request, times=None)
    driver = swift_place.driver()
    info = swift_place.put(driver, data)
    proxy.heal()
    assert (info.size, info.etag) == (len(data), driver.stat(KEY).etag)
    assert get(driver) == data


def test_an_error_in_a_200_is_an_error(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    rule = proxy.on(s3_error(200, "InternalError"), **COMPLETE, times=1)
    driver = swift_place.driver()
    swift_place.put(driver, LARGE)
    assert rule.hits == 1
    assert get(driver) == LARGE
    proxy.on(s3_error(200, "InternalError"), **COMPLETE, times=None)
    with pytest.raises(errors.StoreUnavailable):
        swift_place.put(driver, LARGE, OTHER)


def test_only_own_uploads_that_were_begun_unnoticed_are_aborted(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    driver = swift_place.driver()
    with driver.open_writer(OTHER, size=len(LARGE)) as beside:
        beside.write(LARGE[:PART])
        proxy.on(DropAnswer(), **BEGIN, times=2)
        swift_place.put(driver, LARGE)
        beside.write(LARGE[PART:])
        beside.commit()
    assert get(driver, OTHER) == LARGE
    swift_place.kept.add(OTHER)


def test_an_upload_that_was_begun_late_is_aborted_after_success(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Delay(1.5), **BEGIN, times=1)
    driver = swift_place.driver(read_timeout=0.7)
    with driver.open_writer(KEY, size=len(LARGE)) as writer:
        writer.write(LARGE)
        proxy.wait_until_idle()
        swift_place.kept.add(writer.commit().key)


def test_an_upload_that_was_begun_after_the_success_is_aborted(
    swift_place: SwiftPlace, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "LOOKS", (0.0, *(0.2,) * 20))
    monkeypatch.setattr(background, "look_again", LOOK_AGAIN)
    proxy.on(Delay(1.5), **BEGIN, times=1)
    swift_place.put(swift_place.driver(read_timeout=0.7), LARGE)
    proxy.wait_until_idle()
    until(lambda: swift_place.names() == {KEY})


@pytest.mark.parametrize("renewed", [False, True])
def test_an_upload_that_was_begun_by_another_form_of_the_request_is_aborted(
    swift_place: SwiftPlace, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    """Begun unnoticed, then refused for another reason: the answer to the last form of it was the first."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift_place.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift_place.secret_key)
    proxy.on(DropAnswer(), **BEGIN, times=1)
    proxy.on(s3_error(400, "ExpiredToken" if renewed else "InvalidRequest"), **BEGIN, skip=1, times=1)
    swift_place.put(swift_place.driver(checksum="crc32", access_key=None, secret_key=None), LARGE)
    assert proxy.count(**BEGIN) == 3


def test_an_upload_that_was_begun_and_then_refused_is_aborted(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(DropAnswer(), **BEGIN, times=1)
    proxy.on(s3_error(403, "AccessDenied"), **BEGIN, skip=1, times=None)
    with pytest.raises(errors.StoreUnavailable, match="AccessDenied"):
        swift_place.put(swift_place.driver(), LARGE)


@each_last_step
def test_an_object_that_appears_at_the_last_look_is_removed(
    swift_place: SwiftPlace, proxy: FaultProxy, step: Step
) -> None:
    data, request = step
    proxy.on(DropAnswer(), **request, times=3)
    looks = proxy.on(Respond(404), method="HEAD", path=f"{KEY}$", times=len(background.LOOKS))
    with pytest.raises(errors.StoreUnavailable):
        swift_place.put(swift_place.driver(), data)
    assert looks.hits == len(background.LOOKS), "one more before it is undone"


@each_last_step
def test_an_object_that_is_found_with_another_size_is_removed(
    swift_place: SwiftPlace, proxy: FaultProxy, step: Step
) -> None:
    data, request = step
    proxy.on(DropAnswer(), **request, times=None)
    proxy.on(ChangeHeaders({"Content-Length": "5"}), method="HEAD", path=f"{KEY}$", times=1)
    with pytest.raises(errors.IntegrityError, match="holds 5 bytes"):
        swift_place.put(swift_place.driver(), data)


def test_an_image_whose_begin_was_repeated_needs_no_list_of_uploads(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    for number, answer in enumerate((s3_error(501, "NotImplemented"), Respond(405), s3_error(500, "InternalError"))):
        proxy.heal()
        proxy.on(s3_error(503, "SlowDown"), **BEGIN, times=1)
        listed = proxy.on(answer, **LIST_UPLOADS, times=None)
        swift_place.put(swift_place.driver(max_attempts=2), LARGE, f"{KEY}.{number}")
        assert listed.hits


def test_an_abort_that_does_nothing_is_noticed(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Respond(204), **ABORT, times=2)
    with swift_place.driver().open_writer(KEY) as writer:
        writer.write(LARGE)
    assert proxy.count(**ABORT) == 3


class Unforeseen(BaseException):
    """None that anybody expects."""


@pytest.mark.parametrize("failure", [MemoryError(), Unforeseen()], ids=repr)
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
        swift_place.put(swift_place.driver(), LARGE)


@each_last_step
def test_an_unknown_condition_is_not_sent_again(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    data, request = step
    proxy.on(s3_error(501, "NotImplemented"), **request)
    driver = swift_place.driver()
    swift_place.put(driver, data)
    swift_place.put(driver, data, OTHER)
    assert ["if-none-match" in seen.headers for seen in proxy.seen(**request)] == [True, False, False]


def test_an_unknown_checksum_is_not_sent_again(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(400, "InvalidRequest"), **PUT, times=2)
    driver = swift_place.driver(checksum="crc32")
    swift_place.put(driver, SMALL)
    swift_place.put(driver, SMALL, OTHER)
    sent = [[name for name in seen.headers if "checksum" in name or "md5" in name] for seen in proxy.seen(**PUT)]
    assert sent == [["x-amz-checksum-crc32"], ["x-amz-checksum-crc32"], [], ["content-md5"]]


def test_a_refusal_with_every_header_teaches_nothing(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(400, "InvalidArgument"), **PUT, times=3)
    driver = swift_place.driver()
    with pytest.raises(errors.StoreUnavailable):
        swift_place.put(driver, SMALL)
    swift_place.put(driver, SMALL)
    assert proxy.seen(**PUT)[-1].headers["if-none-match"] == "*"


# What becomes of a code is decided in one place: one kind of request tries them all, the others two.
FULL = (
    (403, "QuotaExceeded"), (400, "EntityTooLarge"), (507, "InsufficientStorage"), (507, "XMinioStorageFull"),
    (400, "XMinioAdminBucketQuotaExceeded"), (413, "413"),
)  # fmt: skip


@each_step
def test_a_server_without_room_is_full(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    (data, request), driver = step, swift_place.driver()
    for status, code in FULL if request is PUT else FULL[:2]:
        proxy.on(s3_error(status, code, early=True), **request, times=None)
        with pytest.raises(errors.StoreFull) as caught:
            swift_place.put(driver, data)
        assert caught.value.status == 413
        proxy.heal()
    swift_place.account.set_container_quota(swift_place.bucket, 500)
    with pytest.raises(errors.StoreFull):
        swift_place.put(driver, SMALL)


REFUSALS = (
    (403, "AccessDenied"), (404, "NoSuchKey"), (404, "404"), (403, "SignatureDoesNotMatch"),
    (400, "ExpiredToken"), (403, "RequestTimeTooSkewed"),
    (404, "NoSuchBucket"), (404, "NoSuchUpload"), (400, "AuthorizationHeaderMalformed"), (409, "OperationAborted"),
)  # fmt: skip


@each_step
def test_a_refusal_tells_its_code_only(swift_place: SwiftPlace, proxy: FaultProxy, step: Step) -> None:
    (data, request), driver, secret = step, swift_place.driver(), swift_place.secret_key
    for status, code in REFUSALS if request is PUT else REFUSALS[:3]:
        proxy.on(s3_error(status, code, message=f"key {secret}"), **request, times=None)
        with pytest.raises(errors.StoreUnavailable) as caught:
            swift_place.put(driver, data)
        error = caught.value
        assert (error.status, error.retryable, code in error.message) == (503, True, True)
        assert secret not in f"{error!r} {error.detail}"
        assert (error.__cause__, error.__suppress_context__) == (None, True)
        assert (error.detail or "").startswith(f"{code} (status {status})")
        proxy.heal()


def test_a_part_that_was_damaged_on_the_way_is_sent_again(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Corrupt(1000, request=True), **SECOND_PART)
    driver = swift_place.driver(checksum="md5")
    swift_place.put(driver, LARGE)
    assert get(driver) == LARGE
    assert [seen.status for seen in proxy.seen(**SECOND_PART)] == [400, 200]


def test_undone_by_recovery_where_the_abort_failed(swift_place: SwiftPlace, proxy: FaultProxy, tmp_path: Path) -> None:
    down = s3_error(500, "InternalError")

    def fail() -> None:
        proxy.on(down, **SECOND_PART, times=None)
        proxy.on(down, **ABORT, times=None)

    driver = swift_place.driver(max_attempts=1)
    recovers_what_stayed(tmp_path, driver, LARGE, fail=fail, heal=proxy.heal, names=swift_place.names)
