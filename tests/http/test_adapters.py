"""What both adapters promise, each called as a server calls it: refusals, paths, downloads, and whose fault it is."""

from __future__ import annotations

import errno

import pytest

from imgstore import errors
from imgstore.model import MIB
from imgstore.transfers.upload import UploadSettings
from tests.http.faulty import FaultyDriver
from tests.http.gateways import PUT, Call, Step
from tests.http.house import House, path

TEN = {"content_length": "10"}
CHUNKED = {"transfer_encoding": "chunked"}
BODY = b"0123456789"
REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "media type": ({"content_type": "text/plain"}, 415),
    "no media type": ({"content_type": ""}, 415),
    "content encoding": ({"content_encoding": "gzip"}, 415),
    "size header": ({"x_openstack_image_size": "ten"}, 400),
    "size header and Content-Length": ({"x_openstack_image_size": "9"}, 400),
    "Content-Length": ({"content_length": "+10"}, 400),
    "Content-Length and chunked": (CHUNKED, 400),
    "content range": ({"content_range": "bytes 0-9/10"}, 400),
    "unknown store": ({"x_image_meta_store": "nope"}, 400),
    "empty store": ({"x_image_meta_store": ""}, 400),
    "read-only store": ({"x_image_meta_store": "frozen"}, 410),
    "another project's image": ({"x_project_id": "somebody"}, 404),
    "too large": ({"content_length": "101"}, 413),
    "over quota": ({"content_length": "51"}, 413),
}


def test_refuse_early_before_the_first_read(call: Call, subtests: pytest.Subtests) -> None:
    for name, (headers, status) in REFUSED.items():
        house = House(quota=50, settings=UploadSettings(max_image_size=100))
        image_id = house.image()
        with subtests.test(name):
            answer = call(house, "PUT", path(image_id), BODY, **PUT | TEN | headers)
            assert (answer.status, answer.reads, bool(answer.message)) == (status, 0, True)
            house.assert_refused_without_trace(image_id)


def test_refuse_early_an_image_that_cannot_be_uploaded(call: Call, house: House) -> None:
    active, incomplete = house.active(b"here"), house.image(disk_format=None)
    for image_id, status in ((active, 409), (incomplete, 400), (house.image(container_format=None), 400)):
        answer = call(house, "PUT", path(image_id), BODY, **PUT | TEN)
        assert (answer.status, answer.reads) == (status, 0)
    assert house.objects() == {f"fast/{active}": b"here"}
    assert house.found(incomplete).status == "queued"


def test_authentication_comes_before_everything_else(call: Call, house: House) -> None:
    def nobody(request: object) -> object:
        raise errors.Unauthenticated("No token.", challenge='Keystone uri="http://keystone"')

    for method in ("PUT", "GET", "HEAD"):
        headers = PUT | {"content_type": "text/plain", "content_length": "1"}
        answer = call(house, method, path("no-uuid"), b"x", settings={"context": nobody}, **headers)
        assert (answer.status, answer.reads) == (401, 0)
        assert answer.headers["www-authenticate"] == 'Keystone uri="http://keystone"'


def test_hosts_functions_that_fail_are_told_in_the_log(
    call: Call, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: object) -> object:
        return next(iter(()))

    wrong = {"context": broken}, {"image_id": broken}, {"image_id": lambda request: 1}
    told = "The host's context raised", "The host's image_id raised", "image_id returned an int"
    for settings, words in zip(wrong, told, strict=True):
        answer = call(house, "PUT", path(house.image()), BODY, settings=settings, **PUT | TEN)
        assert (answer.status, answer.reads) == (500, 0)
        assert words in caplog.text


def test_other_methods_are_not_allowed(call: Call, house: House) -> None:
    for method in ("POST", "PATCH", "DELETE", "OPTIONS"):
        answer = call(house, method, path(house.image()), b"x", **PUT | {"content_length": "1"})
        assert (answer.status, answer.headers["allow"], answer.reads) == (405, "GET, HEAD, PUT", 0)


OTHER_PATHS = (
    "/v2/images/{}", "/v2/images/{}/file/", "/v2/images/{}/file\n", "/v2/images//file", "/v3/images/{}/file", "/",
    "/x/v2/images/{}/file", "/v2/images/x/{}/file", "/v2/images/{}x/file", "/v2/images/no-uuid/file",
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_any_other_path_is_not_found(call: Call, house: House, method: str) -> None:
    image_id = house.active(b"x")
    for other in OTHER_PATHS:
        answer = call(house, method, other.format(image_id), b"x", **PUT | {"content_length": "1"})
        assert (answer.status, answer.reads if method == "PUT" else 0) == (404, 0), other


def test_identifier_may_come_from_elsewhere(call: Call, house: House) -> None:
    def last(request: dict[str, str]) -> str:
        return (request.get("PATH_INFO") or request["path"]).rpartition("/")[2]

    image_id = house.active(b"x")
    assert call(house, "GET", f"/data/{image_id}", settings={"image_id": last}).body == b"x"


def test_download_and_its_headers(call: Call, house: House) -> None:
    image_id = house.active(BODY)
    whole, head = call(house, "GET", path(image_id)), call(house, "HEAD", path(image_id))
    assert (whole.status, whole.body, whole.headers["content-length"]) == (200, BODY, "10")
    assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
    part = call(house, "GET", path(image_id), range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert call(house, "HEAD", path(image_id), range="bytes=2-4").status == 200
    again = call(house, "GET", path(image_id), if_none_match=whole.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert call(house, "GET", path(house.image())).status == 204
    for query, status in (("prefer=slow,fast", 200), ("prefer=nope", 400)):
        assert call(house, "GET", path(image_id), query=query).status == status


def test_refused_head_has_the_headers_of_get_and_no_body(call: Call, house: House) -> None:
    missing = path("00000000-0000-4000-8000-000000000000")
    get, head = call(house, "GET", missing), call(house, "HEAD", missing)
    assert (head.status, head.headers, head.body) == (404, get.headers, b"")
    assert get.headers["content-length"] == str(len(get.body))


def test_never_short_a_download_that_breaks_raises(call: Call) -> None:
    driver, received = FaultyDriver(), list[bytes]()
    house = House(faulty=driver)
    image_id = house.active(bytes(3 * MIB), store="faulty")
    with driver.failing("read", TimeoutError(), after=2 * MIB), pytest.raises(errors.StoreUnavailable):
        call(house, "GET", path(image_id), received=received)
    assert (sum(map(len, received)), driver.readers) == (2 * MIB, 0)


@pytest.mark.parametrize("framing", [TEN, CHUNKED], ids=["length known", "chunked"])
def test_upload_in_any_pieces(call: Call, house: House, framing: dict[str, str]) -> None:
    for steps in ((BODY,), (b"0", b"123", b"456789")):
        image_id = house.image()
        headers = PUT | framing | {"x_image_meta_store": "slow"}
        answer = call(house, "PUT", path(image_id), *steps, **headers)
        assert (answer.status, answer.body) == (204, b"")
        assert house.objects()[f"slow/{image_id}"] == BODY


def test_bytes_beyond_content_length_are_not_the_image(call: Call, house: House) -> None:
    image_id = house.image()
    answer = call(house, "PUT", path(image_id), b"012", b"3456", BODY, **PUT | {"content_length": "5"})
    assert (answer.status, answer.reads, house.objects()) == (204, 2, {f"fast/{image_id}": b"01234"})


def test_empty_body_is_an_empty_image_and_not_read(call: Call, house: House) -> None:
    for headers in ({"content_length": "0"}, {}, CHUNKED):
        image_id = house.image()
        answer = call(house, "PUT", path(image_id), **PUT | headers)
        assert (answer.status, answer.reads, house.found(image_id).size) == (204, int(headers == CHUNKED), 0)


@pytest.mark.parametrize(("version", "content"), [("2", BODY), ("1.1", b""), ("1.0", b"")])
def test_body_without_either_header_exists_only_since_http_2(
    call: Call, house: House, version: str, content: bytes
) -> None:
    image_id = house.image()
    answer = call(house, "PUT", path(image_id), BODY, version=version, **PUT)
    assert (answer.status, answer.reads > 0) == (204, bool(content))
    assert house.objects() == {f"fast/{image_id}": content}


RESET = ConnectionResetError(errno.ECONNRESET, "reset by 10.0.0.1")
BROKEN: dict[str, tuple[tuple[Step, ...], int]] = {
    "ends early": ((b"01234",), 400),
    "ends before it begins": ((), 400),
    "reset": ((b"01234", RESET), 400),
    "reset at once": ((RESET,), 400),
    "stall": ((b"01234", TimeoutError("timed out by 10.0.0.1")), 408),
    "stall at once": ((TimeoutError("timed out"),), 408),
}


@pytest.mark.parametrize("framing", [TEN, CHUNKED], ids=["length known", "chunked"])
def test_broken_body_is_the_clients_fault_and_undone(
    call: Call, subtests: pytest.Subtests, framing: dict[str, str]
) -> None:
    for name, (steps, status) in BROKEN.items():
        house = House()
        image_id = house.image()
        with subtests.test(name):
            sized = PUT | framing | {"x_openstack_image_size": "10"}
            answer = call(house, "PUT", path(image_id), *steps, **sized)
            assert (answer.status, "10.0.0.1" in answer.message) == (status, False)
            house.assert_refused_without_trace(image_id)


def test_foreign_exception_reaches_the_server_when_all_is_undone(call: Call, house: House) -> None:
    image_id = house.image()
    with pytest.raises(ZeroDivisionError):
        call(house, "PUT", path(image_id), b"x", ZeroDivisionError(), **PUT | CHUNKED)
    house.assert_refused_without_trace(image_id)


SECRET = "/srv/secret"
STORE_FAILURES: list[tuple[Exception, int]] = [
    *((OSError(number, "full", SECRET), 413) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
    *((OSError(number, "no", SECRET), 503) for number in (errno.EACCES, errno.EROFS, errno.EIO)),
    *((kind(SECRET), 503) for kind in (TimeoutError, ConnectionResetError, ValueError)),
    (errors.StoreReadOnly("Adding images to store is disabled."), 410),
]


@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
def test_right_blame_a_stores_failure_is_not_the_clients(call: Call, subtests: pytest.Subtests, point: str) -> None:
    for failure, status in STORE_FAILURES:
        driver = FaultyDriver()
        house = House(faulty=driver)
        image_id, headers = house.image(), PUT | CHUNKED | {"x_image_meta_store": "faulty"}
        with subtests.test(repr(failure)), driver.failing(point, failure, after=MIB if point == "write" else 0):
            answer = call(house, "PUT", path(image_id), bytes(MIB), bytes(MIB), **headers)
            assert (answer.status, answer.headers.get("retry-after")) == (status, "10" if status == 503 else None)
            assert "'faulty'" in answer.message
            assert "secret" not in answer.message
            assert (answer.reads == 0) is (point == "open for writing")
            house.assert_refused_without_trace(image_id)
