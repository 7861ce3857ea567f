"""The ASGI adapter alone, called as a server calls it; what it has in common with WSGI is in `tests/http`."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable
from unittest.mock import Mock

import pytest

from imgstore import errors
from imgstore.adapters.asgi import Message, Scope, image_id_of_path
from imgstore.http import ImageData
from tests.asgi.calling import DISCONNECT, SETTLED, Peer, app, body, call, project, put, scope
from tests.http.gateways import GATEWAYS, PUT
from tests.http.house import House, path

BODY = body(b"0123456789", more=False)


def test_refusal_before_the_body_closes_the_connection_of_http_1(house: House) -> None:
    refused = put(house.image(), content_type="text/plain", content_length="10", expect="100-continue")
    answer = call(app(house), refused, BODY)
    assert (answer.status, answer.received, answer.headers["connection"]) == (415, 0, "close")
    assert "connection" not in call(app(house), refused | {"http_version": "2"}, BODY).headers


def test_messages_without_bytes_do_not_end_the_body(house: House) -> None:
    image_id, pieces = house.image(), [body(b"01234"), body(b""), body(b"56789"), body(b"", more=False)]
    assert call(app(house), put(image_id, transfer_encoding="chunked"), *pieces).status == 204
    assert house.objects() == {f"fast/{image_id}": b"0123456789"}


def test_header_given_twice_is_refused(house: House) -> None:
    request = put(house.image(), content_length="10")
    request["headers"] += [(b"Content-Length", b"10")]
    assert call(app(house), request, BODY).status == 400


def test_application_may_be_mounted_anywhere() -> None:
    for root, whole in (
        ("", "/v2/images/x/file"), ("/image", "/image/v2/images/x/file"), ("/image", "/v2/images/x/file"),
        ("/v2", "/v2/images/x/file"), ("/v2", "/images/x/file"), ("/v2/images", "/v2/images/x/file"),
        ("/v2/images/x", "/v2/images/x/file"), ("/", "/v2/images/x/file"), ("/v", "/v/v2/images/x/file"),
    ):  # fmt: skip
        assert image_id_of_path(scope("GET", whole, root=root)) == "x", (root, whole)
    for root, whole in (("/image", "/other/v2/images/x/file"), ("/v", "/v2/images/x/file/x"), ("", "")):
        assert image_id_of_path(scope("GET", whole, root=root)) is None, (root, whole)


def test_bounds_and_protocols_that_cannot_be_are_refused(house: House) -> None:
    for setting in ("window", "read_ahead", "threads", "body_timeout"):
        with pytest.raises(errors.UsageError):
            app(house, **{setting: 0})
    with pytest.raises(errors.UsageError, match="websocket"):
        call(app(house), {"type": "websocket"})


def test_refuse_early_the_session_has_begun_before_the_first_receive(house: House) -> None:
    image_id, statuses = house.image(), []

    class Watching(Peer):
        async def receive(self) -> Message:
            statuses.append(house.found(image_id).status)
            return await super().receive()

    async def run() -> int:
        peer = Watching(BODY)
        await app(house)(put(image_id, content_length="10"), peer.receive, peer.send)
        return peer.status

    assert asyncio.run(run()) == 204
    assert statuses == ["saving"]


def test_undone_before_the_server_hears_that_its_receive_failed() -> None:
    for error in (RuntimeError("defect"), OSError("broken server"), StopIteration()):
        house, sent = House(), list[bytes]()
        image_id, headers = house.image(), PUT | {"content_length": "10"}
        with pytest.raises((type(error), RuntimeError)):
            GATEWAYS["asgi"](house, "PUT", path(image_id), error, received=sent, **headers)
        assert sent == []
        house.assert_refused_without_trace(image_id)


def test_a_refusal_in_the_middle_reads_on_so_that_the_client_can_see_it(house: House) -> None:
    image_id, rest = house.image(), [body(b"x" * 10) for _ in range(20)]
    headers = {"x_openstack_image_size": "5", "transfer_encoding": "chunked"}
    answer = call(app(house, window=1), put(image_id, **headers), *rest, body(b"", more=False))
    assert (answer.status, answer.received, answer.headers["connection"]) == (400, 21, "close")
    assert [message.get("more_body") for message in answer.sent] == [None, True, False]


def test_reading_on_has_a_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstore.adapters.asgi.exchange.LINGER_BYTES", 100)
    refused = put(house.image(), content_length="1000", x_image_meta_store="nope")
    assert call(app(house), refused, *[body(b"x" * 10) for _ in range(100)]).received == 10


class Deaf(Peer):
    """Its server raises OSError when something is sent to it."""

    async def send(self, message: Message) -> None:
        self.disconnect()
        await asyncio.sleep(0)
        raise OSError("The client has left.")


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_server_that_fails_to_send_to_a_client_that_left_is_forgiven(house: House, method: str) -> None:
    image_id = house.active(b"x") if method == "GET" else house.image()

    async def run(*messages: Message) -> None:
        peer = Deaf(*messages)
        request = scope(method, path(image_id), content_type="application/octet-stream", content_length="10")
        await app(house)(request, peer.receive, peer.send)

    asyncio.run(run(DISCONNECT))
    if method == "PUT":
        house.assert_refused_without_trace(image_id)
        with pytest.raises(OSError, match="left"):  # the answer to a client that has not been seen leaving
            asyncio.run(run(BODY))


class Again(Peer):
    """As hosts write it that have read a body, and put it back."""

    async def receive(self) -> Message:
        self.received += 1
        assert self.received < SETTLED
        return body(b"", more=False)


def test_a_host_that_puts_the_body_back_stops_nobody(house: House) -> None:
    async def run() -> Peer:
        peer = Again()
        await app(house)(scope("GET", path(house.active(b"x"))), peer.receive, peer.send)
        return peer

    assert asyncio.run(run()).body == b"x"


def plain(request: Scope) -> object:
    assert threading.current_thread() is not threading.main_thread(), "it would block the event loop"
    return request["project"]


async def coroutine(request: Scope) -> object:
    assert threading.current_thread() is threading.main_thread()
    await asyncio.sleep(0)
    return request["project"]


def awaitable(request: Scope) -> Awaitable[object]:
    return coroutine(request)


@pytest.mark.parametrize("context", [plain, coroutine, awaitable])
def test_the_context_is_the_hosts_own_made_by_a_function_or_a_coroutine(house: House, context: object) -> None:
    image_id = house.active(b"x", owner="somebody")
    for owner, status in [("somebody", 200), ("nobody", 404)]:
        request = scope("GET", path(image_id)) | {"project": owner}
        assert call(app(house, context=context), request).status == status


def test_context_variables_reach_the_hosts_catalog(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id, seen = contextvars.ContextVar[str]("request_id"), []
    image_id, begin = house.image(), ImageData.begin_upload

    def noted(*args: object, **kwargs: object) -> object:
        seen.append(request_id.get())
        return begin(*args, **kwargs)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(ImageData, "begin_upload", noted)
    request_id.set("req-1")
    assert call(app(house), put(image_id, content_length="10"), BODY).status == 204
    assert seen == ["req-1"]


def test_a_request_waits_for_a_thread_within_bounds(house: House) -> None:
    async def run() -> tuple[Peer, Peer]:
        application, (left, later) = app(house, threads=1, body_timeout=0.2), (house.image(), house.image())
        await application._places.acquire()
        waiting = Peer(BODY)
        given_up = asyncio.ensure_future(application(put(house.image()), Peer(BODY).receive, Peer().send))
        await asyncio.sleep(0)
        given_up.cancel()
        await application(put(left, content_length="10"), waiting.receive, waiting.send)
        application._places.release()
        served = Peer(BODY)
        await application(put(later, content_length="10"), served.receive, served.send)
        return waiting, served

    waiting, served = asyncio.run(run())
    assert (waiting.status, waiting.headers["retry-after"]) == (503, "10")
    assert served.status == 204


def test_right_blame_a_process_without_another_thread_is_busy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"PUT": house.image(), "GET": house.active(b"x")}
    for context in (awaited_project, project):
        for method, image_id in images.items():
            request = scope(method, path(image_id), content_type="application/octet-stream", content_length="10")
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
                answer = call(app(house, context=context), request, BODY)
            assert (answer.status, answer.headers["retry-after"]) == (503, "10"), method
    assert house.found(images["PUT"]).status == "queued"


async def awaited_project(request: Scope) -> object:
    return project(request)


def test_requests_beyond_the_threads_wait_their_turn(house: House) -> None:
    """One thread for three uploads of 10 bytes, whose first one waits for the second half of its body."""

    async def run() -> list[int]:
        application, images = app(house, threads=1), [house.image() for _ in range(3)]
        first = Peer(body(b"01234"))
        others = [Peer(BODY) for _ in images[1:]]
        calls = [
            asyncio.ensure_future(application(put(image, content_length="10"), peer.receive, peer.send))
            for image, peer in zip(images, [first, *others], strict=True)
        ]
        while first.received == 0:
            await asyncio.sleep(0)
        assert [peer.received for peer in others] == [0, 0]
        first.disconnect()
        await asyncio.gather(*calls)
        return [peer.status for peer in (first, *others)]

    assert asyncio.run(run()) == [400, 204, 204]
