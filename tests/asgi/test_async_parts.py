"""A host whose catalog and quota are coroutine functions is as any other, and never waits for itself."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imgstore import CopyRequest, CopyService, errors
from imgstore.adapters.asgi import AsyncCatalog, AsyncCopyCatalog, AsyncQuota, ImageDataApp, NoAnswer, in_loop
from imgstore.http import ImageData
from imgstore.model import MIB, Attempt, Location, UploadRequest
from imgstore.transfers.download import DownloadService
from imgstore.transfers.upload import UploadService
from tests.asgi.calling import Peer, body, project, put
from tests.asgi.serving import Serving
from tests.http.house import House
from tests.support.client import Client

TENANT = contextvars.ContextVar("tenant", default="")
CALLS = ("begin", "activate", "confirm", "release", "find", "begin_copy", "add_locations")


class Later:
    """The methods of `inner` as coroutine functions. `before` is awaited by name; `called`: which were, on what thread,
    for which tenant."""

    def __init__(self, inner: object, *names: str) -> None:
        self.before: dict[str, Callable[[], Any]] = {}
        self.called: list[tuple[str, threading.Thread, str]] = []
        for name in names:
            setattr(self, name, self._later(name, getattr(inner, name)))

    def _later(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.called.append((name, threading.current_thread(), TENANT.get()))
            await asyncio.sleep(0)
            if name in self.before:
                await self.before[name]()
            return method(*args, **kwargs)

        return call

    def names(self) -> list[str]:
        return [name for name, _, _ in self.called]


class LaterQuota(Later):
    def __init__(self, house: House) -> None:
        super().__init__(house.quota, "give_back")
        self._house = house

    async def reserve(self, attempt: Attempt, store: str, size: int | None) -> Any:
        return Later(self._house.quota.reserve(attempt, store, size), "extend_to", "settle", "release")


class AsyncHouse(House):
    """Its services, over coroutine functions."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None, timeout: float = 30.0) -> None:
        super().__init__(quota=8 * MIB)
        later_quota: Any = LaterQuota(self)
        later: Any = Later(self.catalog, *CALLS)
        self.later = later
        catalog = AsyncCopyCatalog(later, loop=loop, timeout=timeout)
        self.limits = limits = AsyncQuota(later_quota, loop=loop, timeout=timeout)
        self.async_uploads = UploadService(self.stores, catalog=catalog, quota=limits)
        self.async_downloads = DownloadService(self.stores, source=catalog)
        self.copying = CopyService(self.stores, catalog=catalog, downloads=self.async_downloads, quota=limits)
        self.app = ImageDataApp(ImageData(self.async_uploads, self.async_downloads), context=self.tenant)

    async def tenant(self, scope: Any) -> object:
        TENANT.set("mine")
        return project(scope)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[AsyncHouse, Client]]:
    house = AsyncHouse()
    with Serving(house.app) as serving:
        yield house, serving.client


def test_image_passes_through_a_catalog_and_a_quota_of_coroutine_functions(served: tuple[AsyncHouse, Client]) -> None:
    house, client = served
    image_id, data = house.image(), bytes(3 * MIB)
    house.later.called.clear()
    assert client.upload(image_id, iter([data])).status == 204
    assert client.download(image_id).body == data
    assert house.later.names() == ["begin", "confirm", "activate", "find"]
    assert {thread.name for _, thread, _ in house.later.called} == {"uvicorn"}, "in the loop that serves"
    assert {tenant for _, _, tenant in house.later.called} == {"mine"}, "with the context variables of the request"
    assert (house.quota.account("project").used, house.quota.account("project").held) == (len(data), 0)
    assert client.upload(house.image(), bytes(6 * MIB)).status == 413
    assert client.upload(house.image(), iter([bytes(6 * MIB)])).status == 413
    assert client.upload(image_id, data).status == 409
    assert set(house.objects()) == {f"fast/{image_id}"}


def test_many_uploads_at_once_do_not_wait_for_each_other(served: tuple[AsyncHouse, Client]) -> None:
    house, client = served
    images = [house.image(owner=f"p{number}") for number in range(20)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda image=image: statuses.append(client.upload(image, iter([b"x" * MIB])).status))
        for image in images
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * len(images)


def test_server_that_stops_undoes_what_does_not_end_in_time() -> None:
    """The loop still runs the calls that undo uploads, when it has cancelled all requests."""
    house = AsyncHouse()
    images = [house.image() for _ in range(5)]
    with Serving(house.app, grace=0) as server:
        uploads = [server.client.begin_upload(image_id, length=1_000_000) for image_id in images]
        for upload in uploads:
            upload.send(bytes(100_000))
        assert {house.found(image_id).status for image_id in images} == {"saving"}
    assert {upload.answer().status for upload in uploads} == {500}
    assert {house.found(image_id).status for image_id in images} == {"queued"}
    assert house.objects() == {}
    assert house.quota.account("project").held == 0


def answer(house: AsyncHouse, *messages: Any, then: Callable[[Peer, asyncio.Task[None]], Any] | None = None) -> Peer:
    """One PUT of 10 bytes on a loop of its own, and what is done meanwhile."""
    image_id = house.image()

    async def run() -> Peer:
        peer = Peer(*messages)
        task = asyncio.ensure_future(house.app(put(image_id, content_length="10"), peer.receive, peer.send))
        if then is not None:
            await then(peer, task)
        await asyncio.wait([task])
        return peer

    peer = asyncio.run(run())
    house.assert_refused_without_trace(image_id)
    return peer


async def cancelled(peer: Peer, task: asyncio.Task[None]) -> None:
    """After a part of the body came."""
    while not peer.received:
        await asyncio.sleep(0)
    task.cancel()


def test_cancelled_upload_is_undone_before_the_cancellation_is_raised() -> None:
    house = AsyncHouse()
    answer(house, body(b"01234"), then=cancelled)
    assert house.later.names() == ["begin", "release"]


def test_call_that_hangs_is_given_up_and_its_outcome_is_asked_for() -> None:
    house = AsyncHouse(timeout=0.2)
    house.later.before["activate"] = asyncio.Event().wait
    assert answer(house, body(b"0123456789", more=False)).status == 503
    assert house.later.names() == ["begin", "confirm", "activate", "release", "release"]


def test_failures_of_coroutine_functions_keep_their_blame(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise KeyError("password")

    async def gone() -> None:
        raise errors.ImageConflict("no")

    for failing, status in ((broken, 503), (gone, 409)):
        house = AsyncHouse()
        house.later.before["begin"] = failing
        assert answer(house, body(b"0123456789", more=False)).status == status
    assert "KeyError at test_async_parts.py" in caplog.text
    assert "password" not in caplog.text


def test_call_from_an_event_loop_is_refused_since_it_would_wait_for_itself() -> None:
    house = AsyncHouse()

    async def direct() -> None:
        house.async_uploads.begin(UploadRequest(house.image()))

    with pytest.raises(errors.UsageError, match="would wait for itself"):
        asyncio.run(direct())
    assert house.later.names() == []


def test_thread_without_a_request_needs_to_know_the_loop() -> None:
    with pytest.raises(errors.UsageError, match="say which one"):
        AsyncHouse().async_downloads.find("x")


def test_loop_that_has_ended_changed_nothing() -> None:
    """Whether it is closed, or was stopped before it came to the call: no coroutine is left that nobody awaited."""
    loop, house = asyncio.new_event_loop(), AsyncHouse()
    catalog = AsyncCatalog(house.later, loop=loop)
    for _ in range(2):
        with pytest.raises(errors.CatalogUnavailable):
            catalog.find(house.image())
        loop.close()
    assert house.later.names() == []


def test_loop_that_ends_meanwhile_leaves_an_unknown_outcome() -> None:
    """And a thread that waits no longer."""
    loop, house = asyncio.new_event_loop(), House()
    later: Any = Later(house.catalog, *CALLS)

    async def stop() -> None:
        loop.stop()
        await asyncio.Event().wait()

    later.before["find"] = stop
    serving = threading.Thread(target=loop.run_forever)
    serving.start()
    with pytest.raises(NoAnswer):
        AsyncCatalog(later, loop=loop).find(house.image())
    serving.join()
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.close()


def test_copies_on_a_thread_of_the_hosts_own_use_its_loop() -> None:
    async def run() -> None:
        house = AsyncHouse(loop=asyncio.get_running_loop())
        image_id = house.active(b"data")
        copy = await asyncio.to_thread(house.copying.begin, CopyRequest(image_id, ["slow"]))
        await asyncio.to_thread(copy.run)
        assert set(house.objects()) == {f"fast/{image_id}", f"slow/{image_id}.2"}
        await asyncio.to_thread(house.limits.give_back, "project", Location("slow", f"{image_id}.2", ""), 4)
        assert house.quota.account("project").used == 4

    asyncio.run(run())


def test_any_part_of_coroutine_functions_is_called_in_a_loop() -> None:
    async def run() -> None:
        house = AsyncHouse()
        house.later.lease = 60
        part = in_loop(house.later, loop=asyncio.get_running_loop())
        assert part.lease == 60
        assert not hasattr(part, "expired")
        image_id = house.image()
        service = DownloadService(house.stores, source=part)
        assert (await asyncio.to_thread(service.find, image_id)).status == "queued"
        assert house.later.names() == ["find"]

    asyncio.run(run())


def test_what_cannot_work_is_refused_where_it_is_given() -> None:
    half: Any = Later(House().catalog, "begin", "activate", "confirm", "release")
    with pytest.raises(errors.UsageError, match="a Later is no ImageSource: it has no method find"):
        AsyncCatalog(half)
    with pytest.raises(errors.UsageError, match="more than 0"):
        AsyncHouse(timeout=0)


def test_wrong_answer_of_a_coroutine_function_is_told_by_its_own_name(caplog: pytest.LogCaptureFixture) -> None:
    house = AsyncHouse()
    house.later.activate = house.later._later("activate", lambda *args: False)
    answer(house, body(b"0123456789", more=False))
    assert "Later.activate returned False. It must return None" in caplog.text


def test_confirm_that_is_plain_is_asked_while_bytes_arrive() -> None:
    house, asked = AsyncHouse(), list[bool]()
    house.later.confirm = lambda attempt, *, certain=True: asked.append(certain)
    catalog, attempt = AsyncCatalog(house.later), Attempt("x", 1, "p", "raw", "bare")
    for certain in (True, False):
        catalog.confirm(attempt, certain=certain)
    assert asked == [True, False]
