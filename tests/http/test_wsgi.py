"""The WSGI adapter alone: where it is mounted, how it reads `wsgi.input`, and what servers make of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from imgstore import errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.bulkhead import ASKED_AT, Bulkhead
from imgstore.http import ImageData
from imgstore.model import MIB
from tests.http.environ import ScriptedInput, close, environ, start
from tests.http.faulty import FaultyDriver
from tests.http.gateways import GATEWAYS, PUT, project
from tests.http.house import PATIENCE, House, path

call = GATEWAYS["wsgi"]
BODY = b"0123456789"
CHUNKED = {"transfer_encoding": "chunked"}


def test_application_may_be_mounted_anywhere(house: House) -> None:
    image_id = house.active(b"x")
    for root in ("", "/image", "/v2", "/v2/images", "/a/v2/images/x"):
        below = path(image_id).removeprefix(root)
        assert call(house, "GET", below, changes={"SCRIPT_NAME": root}).body == b"x", root
    assert call(house, "GET", "", changes={"SCRIPT_NAME": "/somewhere"}).status == 404


def test_client_that_leaves_in_the_middle_returns_the_reader() -> None:
    driver = FaultyDriver()
    house = House(faulty=driver)
    image_id = house.active(bytes(3 * MIB), store="faulty")
    app = ImageDataApp(house.data, context=project)
    started = start(app, environ("GET", path(image_id), ScriptedInput()))
    assert len(next(iter(started.body))) > 0
    assert driver.readers == 1
    close(started.body)
    assert driver.readers == 0


@pytest.mark.parametrize(
    ("headers", "chunk_size", "sizes"),
    [
        ({"content_length": "10"}, 8, (8, 5)),
        ({"content_length": "10"}, MIB, (10, 5)),
        (CHUNKED, MIB, (MIB, MIB, MIB)),
        (CHUNKED | {"x_openstack_image_size": "10"}, MIB, (11, 6, 1)),
        ({"content_length": ""}, MIB, ()),
    ],
)
def test_body_is_read_to_its_last_byte_and_no_further(
    house: House, headers: dict[str, str], chunk_size: int, sizes: tuple[int, ...]
) -> None:
    """And one byte beyond a declared size that is not the body's end, which would be refused."""
    image_id = house.image()
    answer = call(
        house, "PUT", path(image_id), b"01234", b"56789", settings={"chunk_size": chunk_size}, **PUT | headers
    )
    assert (answer.status, answer.headers, answer.body, answer.sizes) == (204, {}, b"", sizes)
    assert house.objects() == {f"fast/{image_id}": BODY if sizes else b""}


def test_chunked_body_needs_a_server_that_decodes_it(house: House) -> None:
    """Other servers deliver no byte of it, or its framing: neither is the image."""
    image_id, changes, headers = house.image(), {"wsgi.input_terminated": False}, PUT | CHUNKED
    refused = call(house, "PUT", path(image_id), BODY, changes=changes, **headers)
    assert (refused.status, refused.reads) == (411, 0)
    house.assert_refused_without_trace(image_id)
    vouched, settings = house.image(), {"input_terminated": True}
    assert call(house, "PUT", path(vouched), BODY, changes=changes, settings=settings, **headers).status == 204
    assert house.objects()[f"fast/{vouched}"] == BODY


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_request_that_came_long_ago_waits_for_no_slot(
    house: House, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = house.image() if method == "PUT" else house.active(BODY)
    house.busy("fast")
    monkeypatch.delattr(Bulkhead, "_get")
    came = {ASKED_AT: time.monotonic() - PATIENCE}
    assert call(house, method, path(image_id), BODY, changes=came, **PUT | CHUNKED).status == 503


class ServersOwn(Exception):
    """What a server may raise."""


@pytest.mark.parametrize(
    ("error", "status", "settings"),
    [
        (OSError("request data read error"), 400, {}),
        (ValueError("bad chunk"), 400, {}),
        (EOFError(), 400, {}),
        (ServersOwn(), 400, {"input_errors": (ServersOwn,)}),
        (TimeoutError(), 408, {"input_errors": (EOFError,)}),
    ],
)
def test_right_blame_what_servers_raise_for_a_broken_body(
    house: House, error: Exception, status: int, settings: dict[str, tuple[type[BaseException], ...]]
) -> None:
    image_id = house.image()
    answer = call(house, "PUT", path(image_id), b"x", error, settings=settings, **PUT | CHUNKED)
    assert answer.status == status
    house.assert_refused_without_trace(image_id)


def test_what_cannot_work_is_refused_where_it_is_given(house: House) -> None:
    async def later(environ: object) -> None:
        raise AssertionError

    data: Any = house.uploads
    with pytest.raises(errors.UsageError, match="data is an UploadService: it must be an ImageData"):
        ImageDataApp(data, context=project)
    with pytest.raises(errors.UsageError, match="downloads is an UploadService: it must be a DownloadService"):
        ImageData(data, data)
    for settings in ({"context": later}, {"context": project, "image_id": later}):
        with pytest.raises(errors.UsageError, match="is a coroutine function"):
            ImageDataApp(house.data, **settings)
    answer = call(house, "GET", path(house.image()), settings={"context": lambda environ: later(environ)})
    assert answer.status == 500, "a coroutine out of a plain function is no context"
