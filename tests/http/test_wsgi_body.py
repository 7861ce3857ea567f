"""The body of a PUT through the WSGI adapter: read to its end and not further, and whose fault it is if it breaks."""

from __future__ import annotations

import errno

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from tests.http.environ import ScriptedInput, app, call, put
from tests.http.faulty import FaultyDriver
from tests.http.house import House


def test_a_body_of_known_length_is_read_to_its_last_byte_and_no_further(house: House) -> None:
    image_id = house.image()
    body = ScriptedInput(b"01234", b"56789", b"the next request")
    answer = call(app(house, chunk_size=8), put(image_id, body, content_length="10"))
    assert (answer.status, answer.headers, answer.body) == ("204 No Content", {}, b"")
    assert body.reads == [8, 5]
    assert house.objects() == {f"fast/{image_id}": b"0123456789"}


def test_bytes_beyond_content_length_are_not_the_image(house: House) -> None:
    image_id = house.image()
    body = ScriptedInput(b"0123456789extra")
    assert call(app(house), put(image_id, body, content_length="10")).code == 204
    assert (body.given, body.reads) == (10, [10])
    assert house.objects() == {f"fast/{image_id}": b"0123456789"}


def test_a_chunked_body_is_read_to_the_end_of_the_input(house: House) -> None:
    image_id = house.image()
    body = ScriptedInput(b"0", b"123", b"456789")
    assert call(app(house), put(image_id, body, transfer_encoding="chunked")).code == 204
    assert body.reads == [MIB] * 4
    assert house.objects() == {f"fast/{image_id}": b"0123456789"}


def test_an_empty_body_of_known_length_is_never_read(house: House) -> None:
    for headers in ({"content_length": "0"}, {}, {"content_length": ""}):
        image_id, body = house.image(), ScriptedInput(b"the next request")
        assert call(app(house), put(image_id, body, **headers)).code == 204
        assert body.reads == []
        assert house.found(image_id).size == 0


def test_the_store_is_the_one_that_the_header_names(house: House) -> None:
    image_id = house.image()
    call(app(house), put(image_id, ScriptedInput(b"x"), content_length="1", x_image_meta_store="slow"))
    assert house.objects() == {f"slow/{image_id}": b"x"}


def test_a_chunked_body_is_refused_where_the_server_does_not_say_that_it_decodes(house: House) -> None:
    """Such servers deliver no byte of it, or its framing: neither is the image."""
    image_id, body = house.image(), ScriptedInput(b"4\r\ndata\r\n0\r\n\r\n")
    request = put(image_id, body, transfer_encoding="chunked")
    del request["wsgi.input_terminated"]
    answer = call(app(house), request)
    assert (answer.status, body.reads) == ("411 Length Required", [])
    house.assert_refused_without_trace(image_id)


def test_a_chunked_body_is_taken_where_the_host_vouches_for_the_server(house: House) -> None:
    image_id = house.image()
    request = put(image_id, ScriptedInput(b"data"), transfer_encoding="chunked")
    del request["wsgi.input_terminated"]
    assert call(app(house, input_terminated=True), request).code == 204
    assert house.objects() == {f"fast/{image_id}": b"data"}


@pytest.mark.parametrize(("protocol", "content"), [("HTTP/2", b"data"), ("HTTP/1.1", b""), ("HTTP/1.0", b"")])
def test_a_body_without_either_header_exists_only_since_http_2(house: House, protocol: str, content: bytes) -> None:
    image_id, body = house.image(), ScriptedInput(b"data")
    assert call(app(house), put(image_id, body) | {"SERVER_PROTOCOL": protocol}).code == 204
    assert house.objects() == {f"fast/{image_id}": content}
    assert bool(body.reads) is bool(content)


BROKEN: dict[str, tuple[tuple[bytes | BaseException, ...], int]] = {
    "ends early": ((b"01234",), 400),
    "ends before it begins": ((), 400),
    "reset": ((b"01234", ConnectionResetError(errno.ECONNRESET, "reset by 10.0.0.1")), 400),
    "reset at once": ((ConnectionResetError(errno.ECONNRESET, "reset by 10.0.0.1"),), 400),
    "server's own OSError": ((b"01234", OSError("request data read error")), 400),
    "malformed chunk": ((b"01234", ValueError("bad chunk")), 400),
    "EOFError": ((b"01234", EOFError()), 400),
    "stall": ((b"01234", TimeoutError("timed out")), 408),
    "stall at once": ((TimeoutError("timed out"),), 408),
}


@pytest.mark.parametrize(("steps", "status"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("framing", ["content_length", "transfer_encoding"])
def test_a_broken_body_is_the_clients_fault_and_leaves_no_trace(
    house: House, steps: tuple[bytes | BaseException, ...], status: int, framing: str
) -> None:
    image_id = house.image()
    chunked = framing == "transfer_encoding"
    headers = {framing: "chunked" if chunked else "10"}
    if chunked:
        headers["x_openstack_image_size"] = "10"
    answer = call(app(house), put(image_id, ScriptedInput(*steps), **headers))
    assert answer.code == status
    assert "10.0.0.1" not in answer.message
    house.assert_refused_without_trace(image_id)


def test_what_a_server_raises_of_its_own_can_be_named(house: House) -> None:
    class ServersOwn(Exception):
        pass

    image_id = house.image()
    request = put(image_id, ScriptedInput(b"x", ServersOwn()), transfer_encoding="chunked")
    assert call(app(house, input_errors=(ServersOwn,)), request).code == 400
    house.assert_refused_without_trace(image_id)


def test_a_timeout_is_408_even_if_the_host_names_other_errors(house: House) -> None:
    image_id = house.image()
    request = put(image_id, ScriptedInput(b"x", TimeoutError()), transfer_encoding="chunked")
    assert call(app(house, input_errors=(EOFError,)), request).code == 408
    house.assert_refused_without_trace(image_id)


def test_a_foreign_exception_passes_to_the_server_and_leaves_no_trace(house: House) -> None:
    image_id = house.image()
    with pytest.raises(ZeroDivisionError):
        call(app(house), put(image_id, ScriptedInput(b"x", ZeroDivisionError()), transfer_encoding="chunked"))
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (OSError(errno.ENOSPC, "full", "/srv/secret"), 413),
        (OSError(errno.EDQUOT, "full", "/srv/secret"), 413),
        (OSError(errno.EFBIG, "full", "/srv/secret"), 413),
        (OSError(errno.EACCES, "no", "/srv/secret"), 503),
        (OSError(errno.EROFS, "no", "/srv/secret"), 503),
        (OSError(errno.EIO, "no", "/srv/secret"), 503),
        (TimeoutError("/srv/secret"), 503),
        (ConnectionResetError(errno.ECONNRESET, "/srv/secret"), 503),
        (ValueError("/srv/secret"), 503),
        (errors.StoreReadOnly("Adding images to store is disabled."), 410),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else repr(value)[:40],
)
def test_law_11_a_failure_of_the_store_is_never_blamed_on_the_clients_body(
    failure: Exception, status: int, point: str
) -> None:
    driver = FaultyDriver(MemoryDriver())
    house = House(faulty=driver)
    image_id, body = house.image(), ScriptedInput(bytes(MIB), bytes(MIB))
    request = put(image_id, body, transfer_encoding="chunked", x_image_meta_store="faulty")
    with driver.failing(point, failure, after=MIB if point == "write" else 0):
        answer = call(app(house), request)
    assert answer.code == status
    assert (answer.headers.get("retry-after") == "10") is (status == 503)
    assert "'faulty'" in answer.message
    assert "secret" not in answer.message
    assert (body.reads == []) is (point == "open for writing")
    house.assert_refused_without_trace(image_id)
