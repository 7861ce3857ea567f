"""The WSGI adapter, called as a server calls it, under the validator of the standard library."""

from __future__ import annotations

from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.transfers.upload import UploadSettings
from tests.http.environ import OCTETS, ScriptedInput, app, call, close, environ, path, put, start
from tests.http.faulty import FaultyDriver
from tests.http.house import House

REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "media type": ({"content_type": "text/plain"}, 415),
    "no media type": ({"content_type": ""}, 415),
    "content encoding": ({"content_encoding": "gzip"}, 415),
    "size header": ({"x_openstack_image_size": "ten"}, 400),
    "size header and Content-Length": ({"x_openstack_image_size": "9"}, 400),
    "Content-Length": ({"content_length": "+10"}, 400),
    "Content-Length and chunked": ({"transfer_encoding": "chunked"}, 400),
    "content range": ({"content_range": "bytes 0-9/10"}, 400),
    "unknown store": ({"x_image_meta_store": "nope"}, 400),
    "empty store": ({"x_image_meta_store": ""}, 400),
    "read-only store": ({"x_image_meta_store": "frozen"}, 410),
    "another project's image": ({"x_project_id": "somebody"}, 404),
    "too large": ({"content_length": "101"}, 413),
    "over quota": ({"content_length": "51"}, 413),
}


@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED)
def test_law_5_refused_before_the_first_read(headers: dict[str, str], status: int) -> None:
    house = House(quota=50, settings=UploadSettings(max_image_size=100))
    image_id, body = house.image(), ScriptedInput(b"0123456789")
    answer = call(app(house), put(image_id, body, **{"content_length": "10"} | headers))
    assert answer.code == status
    assert (answer.headers["content-type"], bool(answer.message)) == ("application/json", True)
    assert body.reads == []
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("properties", [{"disk_format": None}, {"container_format": None}])
def test_law_5_an_image_without_its_formats_is_refused_before_the_first_read(
    house: House, properties: dict[str, None]
) -> None:
    image_id, body = house.image(**properties), ScriptedInput(b"0123456789")
    answer = call(app(house), put(image_id, body, content_length="10"))
    assert (answer.code, body.reads, house.objects()) == (400, [], {})
    assert house.found(image_id).status == "queued"


def test_law_5_an_image_that_is_not_queued_is_refused_before_the_first_read(house: House) -> None:
    image_id, body = house.active(b"here"), ScriptedInput(b"0123456789")
    answer = call(app(house), put(image_id, body, content_length="10"))
    assert (answer.code, body.reads) == (409, [])
    assert house.objects() == {f"fast/{image_id}": b"here"}


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_authentication_comes_before_everything_else(house: House, method: str) -> None:
    def nobody(request: dict[str, Any]) -> object:
        raise errors.Unauthenticated("No token.", challenge='Keystone uri="http://keystone"')

    body = ScriptedInput(b"x")
    request = environ(method, path("no-uuid"), body, content_type="text/plain", content_length="1")
    answer = call(app(house, context=nobody), request)
    assert (answer.code, body.reads) == (401, [])
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://keystone"'


def test_the_context_is_the_hosts_own(house: House) -> None:
    image_id = house.active(b"x", owner="somebody")
    assert call(app(house), environ("GET", path(image_id), x_project_id="somebody")).code == 200
    assert call(app(house), environ("GET", path(image_id), x_project_id="nobody")).code == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_other_methods_are_not_allowed(house: House, method: str) -> None:
    body = ScriptedInput(b"x")
    answer = call(app(house), environ(method, path(house.image()), body, content_length="1"))
    assert (answer.status, answer.headers["allow"]) == ("405 Method Not Allowed", "GET, HEAD, PUT")
    assert body.reads == []


@pytest.mark.parametrize(
    ("root", "below"),
    [("", "/v2/images/{}/file"), ("/image", "/v2/images/{}/file"), ("/v2", "/images/{}/file"),
     ("/v2/images", "/{}/file"), ("/a/v2/images/x", "/v2/images/{}/file")],
)  # fmt: skip
def test_the_application_may_be_mounted_anywhere(house: House, root: str, below: str) -> None:
    image_id = house.active(b"x")
    assert call(app(house), environ("GET", below.format(image_id), root=root)).body == b"x"


@pytest.mark.parametrize(
    "other",
    ["/v2/images/{}", "/v2/images/{}/file/", "/v2/images/{}/file\n", "/v2/images//file", "/v3/images/{}/file",
     "/x/v2/images/{}/file", "/v2/images/x/{}/file", "/v2/images/{}x/file", "/v2/images/no-uuid/file", "/", ""],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_any_other_path_is_not_found(house: House, other: str, method: str) -> None:
    image_id, body = house.active(b"x"), ScriptedInput(b"x")
    root = "" if other else "/somewhere"
    request = environ(method, other.format(image_id), body, root=root, content_type=OCTETS, content_length="1")
    assert (call(app(house), request).code, body.reads) == (404, [])


def test_the_identifier_may_come_from_elsewhere(house: House) -> None:
    image_id = house.active(b"x")
    mounted = app(house, image_id=lambda request: request["PATH_INFO"].rpartition("/")[2])
    assert call(mounted, environ("GET", f"/data/{image_id}")).body == b"x"


def test_a_download_and_its_headers(house: House) -> None:
    image_id = house.active(b"0123456789")
    whole = call(app(house), environ("GET", path(image_id)))
    part = call(app(house), environ("GET", path(image_id), range="bytes=2-4"))
    head = call(app(house), environ("HEAD", path(image_id)))
    assert (whole.status, whole.body, whole.headers["content-length"]) == ("200 OK", b"0123456789", "10")
    assert (part.status, part.body, part.headers["content-range"]) == ("206 Partial Content", b"234", "bytes 2-4/10")
    assert (head.status, head.body, head.headers) == ("200 OK", b"", whole.headers)
    assert call(app(house), environ("HEAD", path(image_id), range="bytes=2-4")).code == 200
    again = call(app(house), environ("GET", path(image_id), if_none_match=whole.headers["etag"]))
    assert (again.status, again.body) == ("304 Not Modified", b"")


def test_a_refused_head_has_the_headers_of_get_and_no_body(house: House) -> None:
    missing = path("00000000-0000-4000-8000-000000000000")
    get, head = call(app(house), environ("GET", missing)), call(app(house), environ("HEAD", missing))
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    assert get.headers["content-length"] == str(len(get.body))


def test_prefer_is_taken_from_the_query(house: House) -> None:
    image_id = house.active(b"x")
    assert call(app(house), environ("GET", path(image_id), query="prefer=slow,fast")).code == 200
    assert call(app(house), environ("GET", path(image_id), query="prefer=nope")).code == 400


def test_a_client_that_leaves_in_the_middle_returns_the_reader() -> None:
    driver = FaultyDriver(MemoryDriver())
    house = House(faulty=driver)
    image_id = house.active(bytes(3 * MIB), store="faulty")
    started = start(app(house), environ("GET", path(image_id)))
    assert len(next(iter(started.body))) > 0
    assert driver.readers == 1
    close(started.body)
    assert driver.readers == 0


def test_law_9_a_download_that_breaks_in_the_middle_raises_so_that_the_connection_is_cut() -> None:
    driver = FaultyDriver(MemoryDriver())
    house = House(faulty=driver)
    image_id = house.active(bytes(3 * MIB), store="faulty")
    started = start(app(house), environ("GET", path(image_id)))
    received: list[int] = []
    with driver.failing("read", TimeoutError(), after=2 * MIB), pytest.raises(errors.StoreUnavailable):
        received.extend(len(chunk) for chunk in started.body)
    close(started.body)
    assert (started.answer.code, started.answer.headers["content-length"]) == (200, str(3 * MIB))
    assert (sum(received), driver.readers) == (2 * MIB, 0)
