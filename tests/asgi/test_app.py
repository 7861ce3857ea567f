"""The ASGI adapter, called as a server calls it: the same answers as the WSGI adapter, in the messages of ASGI."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable

import pytest

from imgstore import errors
from imgstore.adapters.asgi import Message, Scope, image_id_of_path
from imgstore.drivers.memory import MemoryDriver
from imgstore.http import ImageData
from imgstore.model import MIB
from imgstore.transfers.upload import UploadSettings
from tests.asgi.calling import DISCONNECT, Peer, app, body, call, path, put, scope
from tests.http.faulty import FaultyDriver
from tests.http.house import House
from tests.http.test_wsgi import REFUSED

BODY = body(b"0123456789", more=False)


@pytest.fixture
def house() -> House:
    """Without limits."""
    return House()


@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED)
def test_law_5_refused_before_the_first_receive(headers: dict[str, str], status: int) -> None:
    house = House(quota=50, settings=UploadSettings(max_image_size=100))
    image_id = house.image()
    answer = call(app(house), put(image_id, **{"expect": "100-continue", "content_length": "10"} | headers), BODY)
    assert (answer.status, answer.received) == (status, 0)
    assert (answer.headers["content-type"], answer.headers["connection"]) == ("application/json", "close")
    house.assert_refused_without_trace(image_id)


def test_law_5_the_session_has_begun_before_the_first_receive(house: House) -> None:
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


@pytest.mark.parametrize("messages", [[BODY], [body(b"01234"), body(b""), body(b"56789"), body(b"", more=False)]])
@pytest.mark.parametrize("headers", [{"content_length": "10"}, {"transfer_encoding": "chunked"}])
def test_an_upload_in_any_pieces(house: House, messages: list[Message], headers: dict[str, str]) -> None:
    image_id = house.image()
    answer = call(app(house), put(image_id, **headers), *messages)
    assert (answer.status, answer.body, house.objects()) == (204, b"", {f"fast/{image_id}": b"0123456789"})


def test_an_empty_image(house: House) -> None:
    known, chunked = house.image(), house.image()
    assert call(app(house), put(known, content_length="0")).status == 204
    assert call(app(house), put(chunked, transfer_encoding="chunked"), body(b"", more=False)).status == 204
    assert house.objects() == {f"fast/{known}": b"", f"fast/{chunked}": b""}


def test_what_comes_after_content_length_is_not_the_image(house: House) -> None:
    image_id = house.image()
    answer = call(app(house), put(image_id, content_length="5"), body(b"012"), body(b"3456"), BODY)
    assert (answer.status, answer.received, house.objects()) == (204, 2, {f"fast/{image_id}": b"01234"})


def test_law_2_a_body_shorter_than_content_length_is_refused(house: House) -> None:
    image_id = house.image()
    answer = call(app(house), put(image_id, content_length="11"), BODY)
    assert (answer.status, b"10 of 11 bytes" in answer.body) == (400, True)
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("size", ["9", "11"])
def test_law_2_a_chunked_body_must_have_the_declared_size(house: House, size: str) -> None:
    image_id = house.image()
    headers = {"x_openstack_image_size": size, "transfer_encoding": "chunked"}
    assert call(app(house), put(image_id, **headers), BODY).status == 400
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("headers", [{"content_length": "10"}, {"transfer_encoding": "chunked"}])
def test_law_11_a_client_that_disconnects_broke_its_body(house: House, headers: dict[str, str]) -> None:
    image_id = house.image()
    answer = call(app(house), put(image_id, **headers), body(b"01234"), DISCONNECT)
    assert (answer.status, b"body-broken" in answer.body) == (400, True)
    house.assert_refused_without_trace(image_id)


def test_law_11_a_client_that_stalls_gets_408(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstore.adapters.asgi.exchange.LINGER_SECONDS", 0)
    image_id = house.image()
    answer = call(app(house, body_timeout=0.01), put(image_id, content_length="10"), body(b"01234"))
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("error", [RuntimeError("defect"), OSError("broken server"), StopIteration()])
def test_law_3_a_server_that_fails_to_receive_is_told_when_all_is_undone(house: House, error: Exception) -> None:
    image_id = house.image()

    class Failing(Peer):
        async def receive(self) -> Message:
            raise error

    async def run() -> None:
        peer = Failing()
        with pytest.raises((type(error), RuntimeError)):
            await app(house)(put(image_id, content_length="10"), peer.receive, peer.send)
        assert peer.sent == []

    asyncio.run(run())
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


def test_http_2_has_no_connection_header_and_needs_no_framing(house: House) -> None:
    image_id = house.image()
    good, bad = put(image_id) | {"http_version": "2"}, put(image_id, content_type="text/plain") | {"http_version": "2"}
    assert "connection" not in call(app(house), bad, BODY).headers
    assert call(app(house), good, BODY).status == 204
    assert house.objects() == {f"fast/{image_id}": b"0123456789"}


def test_http_1_without_framing_has_no_body(house: House) -> None:
    image_id = house.image()
    answer = call(app(house), put(image_id), BODY)
    assert (answer.status, answer.received, house.objects()) == (204, 0, {f"fast/{image_id}": b""})


def test_a_header_given_twice_is_not_taken_at_its_word(house: House) -> None:
    request = put(house.image(), content_length="10")
    request["headers"] += [(b"Content-Length", b"10")]
    assert call(app(house), request, BODY).status == 400


def test_a_download_and_its_headers(house: House) -> None:
    image_id = house.active(b"0123456789")
    whole = call(app(house), scope("GET", path(image_id)))
    part = call(app(house), scope("GET", path(image_id), range="bytes=2-4"))
    head = call(app(house), scope("HEAD", path(image_id)))
    assert (whole.status, whole.body, whole.headers["content-length"]) == (200, b"0123456789", "10")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
    again = call(app(house), scope("GET", path(image_id), if_none_match=whole.headers["etag"]))
    assert (again.status, again.body) == (304, b"")
    assert call(app(house), scope("GET", path(image_id), query=b"prefer=nope")).status == 400
    assert call(app(house), scope("GET", path(house.image()))).status == 204


def test_law_9_a_download_that_breaks_in_the_middle_raises_and_is_not_answered_again() -> None:
    driver = FaultyDriver(MemoryDriver())
    house = House(faulty=driver)
    image_id = house.active(bytes(3 * MIB), store="faulty")

    async def run() -> list[Message]:
        peer = Peer()
        with pytest.raises(errors.StoreUnavailable):
            await app(house)(scope("GET", path(image_id)), peer.receive, peer.send)
        return peer.sent

    with driver.failing("read", TimeoutError(), after=2 * MIB):
        start, *rest = asyncio.run(run())
    assert (start["status"], {message["more_body"] for message in rest}) == (200, {True})
    assert (sum(len(message["body"]) for message in rest), driver.readers) == (2 * MIB, 0)


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


def test_a_refused_head_has_the_headers_of_get_and_no_body(house: House) -> None:
    missing = path("00000000-0000-4000-8000-000000000000")
    get, head = call(app(house), scope("GET", missing)), call(app(house), scope("HEAD", missing))
    assert (head.status, head.headers, head.body) == (404, get.headers, b"")
    assert get.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_other_methods_are_not_allowed(house: House, method: str) -> None:
    answer = call(app(house), scope(method, path(house.image())))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT")


@pytest.mark.parametrize(
    ("root", "whole"),
    [("", "/v2/images/x/file"), ("/image", "/image/v2/images/x/file"), ("/image", "/v2/images/x/file"),
     ("/v2", "/v2/images/x/file"), ("/v2", "/images/x/file"), ("/v2/images", "/v2/images/x/file"),
     ("/v2/images/x", "/v2/images/x/file"), ("/", "/v2/images/x/file"), ("/v", "/v/v2/images/x/file")],
)  # fmt: skip
def test_the_application_may_be_mounted_anywhere(root: str, whole: str) -> None:
    assert image_id_of_path(scope("GET", whole, root=root)) == "x"


@pytest.mark.parametrize(
    ("root", "whole"),
    [("", "/x/v2/images/x/file"), ("", "/v2/images/x"), ("", "/v2/images/x/file/"), ("", "/v2/images//file"),
     ("", ""), ("/image", "/other/v2/images/x/file"), ("/v", "/v2/images/x/file/x")],
)  # fmt: skip
def test_any_other_path_is_not_found(house: House, root: str, whole: str) -> None:
    assert call(app(house), scope("GET", whole, root=root)).status == 404


def test_the_identifier_may_come_from_elsewhere(house: House) -> None:
    image_id = house.active(b"x")
    mounted = app(house, image_id=lambda request: request["path"].rpartition("/")[2])
    assert call(mounted, scope("GET", f"/data/{image_id}")).body == b"x"


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


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_authentication_comes_before_everything_else(house: House, method: str) -> None:
    async def nobody(request: Scope) -> object:
        raise errors.Unauthenticated("No token.", challenge='Keystone uri="http://keystone"')

    request = scope(method, path("no-uuid"), content_type="text/plain", content_length="1", expect="100-continue")
    answer = call(app(house, context=nobody), request, BODY)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Keystone uri="http://keystone"')


def test_a_defect_of_the_host_reaches_the_server(house: House) -> None:
    def broken(request: Scope) -> object:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        call(app(house, context=broken), scope("GET", path(house.image())))


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


def test_a_server_that_announces_its_life_is_answered(house: House) -> None:
    events: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    answers = call(app(house), {"type": "lifespan"}, *events).sent
    assert answers == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_what_is_not_http_is_refused(house: House) -> None:
    with pytest.raises(errors.UsageError, match="websocket"):
        call(app(house), {"type": "websocket"})


@pytest.mark.parametrize("setting", ["window", "read_ahead", "threads"])
def test_a_bound_that_lets_nothing_pass_is_refused(house: House, setting: str) -> None:
    with pytest.raises(errors.UsageError):
        app(house, **{setting: 0})


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
