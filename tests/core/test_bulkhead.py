"""Contained: a store that hangs takes its own slots, and no thread that waits for another store."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from imgstore import errors
from imgstore.bulkhead import HOST_THREADS, WAITED, Bulkhead, Slot, Tokens, asked_at, share
from imgstore.model import Attempt, UploadRequest, UploadResult
from imgstore.transfers.begin import ANY
from imgstore.transfers.download import DownloadService
from imgstore.transfers.leftovers import remove_data
from tests.core.copying_world import BODY, Copying, break_reads
from tests.core.world import OWNER, PATIENCE, World
from tests.support.waiting import until

SHORT = 0.05


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


class Hang:
    """A store's calls that return when the test says so."""

    def __init__(self) -> None:
        self.arrived = 0
        self._over = threading.Event()

    def __call__(self) -> None:
        self.arrived += 1
        assert self._over.wait(PATIENCE)

    def end(self) -> None:
        self._over.set()


class Images(World):
    """The stores `fast` and `cold`, of which `cold` hangs in `hook`, and as many images as one wants."""

    def __init__(self, hook: str, *, slots: int, wait: float = SHORT) -> None:
        super().__init__("fast", "cold", transfers=slots, wait=wait)
        self.hang = Hang()
        self.drivers["cold"].hooks[hook] = self.hang

    def put(self, number: int, store: str) -> UploadResult:
        self.rows.create(f"image-{number}", owner=OWNER)
        with self.service.begin(UploadRequest(f"image-{number}", stores=[store])) as session:
            session.write(b"data")
            return session.finish()


@pytest.mark.parametrize("hook", ["open", "write", "commit"])
def test_a_store_that_hangs_leaves_the_others_their_threads(hook: str, pool: ThreadPoolExecutor) -> None:
    world = Images(hook, slots=2)
    hung = [pool.submit(world.put, number, "cold") for number in range(2)]
    until(lambda: world.hang.arrived == 2)
    refused = [pool.submit(world.put, number, "cold") for number in range(2, 8)]
    assert [str(each.exception(PATIENCE)) for each in refused] == [
        "Store 'cold': Image storage is busy: 2 transfers of it are under way, and max_transfers allows no more."
    ] * 6
    assert world.put(8, "fast").size == 4
    downloads = DownloadService(world.stores, source=world.rows)
    assert b"".join(downloads.open(world.rows.find("image-8"))) == b"data"
    world.hang.end()
    assert [each.result(PATIENCE).size for each in hung] == [4, 4]
    assert world.under_way == 0


def test_a_refused_upload_leaves_nothing_and_a_retry_succeeds() -> None:
    world = World("fast", "cold", transfers=1, wait=0)
    slot = world.stores.resolve("cold").slot()
    with pytest.raises(errors.StoreBusy) as refused:
        world.begin()
    assert (refused.value.status, refused.value.retry_after) == (503, 10)
    assert world.called("open") == []
    slot.free()
    world.assert_untouched()


def test_a_busy_store_is_left_out_where_one_may_be() -> None:
    world = World("fast", "cold", mode=ANY, transfers=1, wait=0)
    with world.stores.resolve("fast").slot():
        world.upload([b"data"])
    world.assert_active(b"data", "cold")


@pytest.mark.parametrize("hook", ["url", "open", "write"])
def test_a_store_that_is_left_out_has_its_slot_back_at_once(hook: str) -> None:
    world = World("fast", "cold", mode=ANY)
    world.drivers["cold"].fails(hook, errors.StoreUnavailable("down"))
    with world.begin() as session:
        session.write(bytearray(100_000))
        until(lambda: world.drivers["cold"].calls.count("abort") == (hook == "write"))
        session.write(bytearray(100_000))
        assert world.stores.resolve("cold").bulkhead.under_way == 0
        session.finish()
    assert world.under_way == 0


def test_an_abort_that_hangs_keeps_its_slot_until_it_returns(pool: ThreadPoolExecutor) -> None:
    world = Images("abort", slots=1)
    world.drivers["cold"].fails("write", errors.StoreUnavailable("down"))
    hung = pool.submit(world.put, 1, "cold")
    until(lambda: world.hang.arrived == 1)
    assert world.under_way == 1
    world.hang.end()
    assert isinstance(hung.exception(PATIENCE), errors.StoreUnavailable)
    world.assert_nothing_left()


def test_who_waits_gets_the_slot_that_is_given_back(pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(max_transfers=1, max_wait=PATIENCE)
    slot = bulkhead.take()
    waiting = pool.submit(bulkhead.take)
    until(lambda: bulkhead.waiting == 1)
    slot.free()
    waiting.result(PATIENCE).free()
    assert bulkhead.under_way == 0


def test_only_few_may_wait(pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(max_transfers=8, max_wait=PATIENCE)
    slots = [bulkhead.take() for _ in range(8)]
    asked: list[Future[Slot]] = [pool.submit(bulkhead.take) for _ in range(6)]
    until(lambda: sum(each.done() for each in asked) == 2)
    assert all(isinstance(each.exception(0), errors.StoreBusy) for each in asked if each.done())
    for slot in slots:
        slot.free()
    served = [each.result() for each in asked if each.exception(PATIENCE) is None]
    assert len(served) == bulkhead.under_way == 4
    assert bulkhead.waiting == 0, "those who waited made room for others"


def test_a_slot_comes_back_once_however_it_is_lost() -> None:
    bulkhead = Bulkhead(max_transfers=2, max_wait=0)
    kept = bulkhead.take()
    forgotten = bulkhead.take()
    forgotten.free()
    with forgotten:
        del forgotten
    assert bulkhead.under_way == 1
    circle: list[object] = [bulkhead.take()]
    circle.append(circle)
    assert bulkhead.under_way == 2
    del circle
    gc.collect()
    assert bulkhead.under_way == 1
    kept.free()


def test_a_forked_child_has_all_slots_and_gives_none_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    bulkhead = Bulkhead(max_transfers=1, max_wait=0)
    parents = bulkhead.take()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with bulkhead.take():
        parents.free()
        with pytest.raises(errors.StoreBusy):
            bulkhead.take()


def test_a_download_leaves_a_busy_store_for_one_that_is_free() -> None:
    world = Copying("fast", "cold", transfers=1, wait=PATIENCE)
    downloads = DownloadService(world.stores, source=world.rows)
    with world.stores.resolve("fast").slot(), downloads.open(world.image) as download:
        assert download.location.store == "cold"
        assert b"".join(download) == BODY
    assert world.under_way == 0


def test_a_download_waits_where_all_stores_are_busy(pool: ThreadPoolExecutor) -> None:
    world = Copying("fast", "cold", transfers=1, wait=PATIENCE)
    downloads = DownloadService(world.stores, source=world.rows)
    slots = [world.stores.resolve(name).slot() for name in ("fast", "cold")]
    opening = pool.submit(downloads.open, world.image)
    slots[0].free()
    with opening.result(PATIENCE) as download:
        assert download.location.store == "fast"


def test_a_download_is_refused_where_all_stores_stay_busy() -> None:
    world = Copying("fast", "cold", transfers=1, wait=SHORT)
    downloads = DownloadService(world.stores, source=world.rows)
    with world.stores.resolve("fast").slot(), world.stores.resolve("cold").slot(), pytest.raises(errors.StoreBusy):
        downloads.open(world.image)
    assert world.under_way == 0


def test_a_download_gives_its_slot_back_however_it_ends() -> None:
    world = Copying("fast", "cold", transfers=1)
    downloads = DownloadService(world.stores, source=world.rows, resumes=0)
    for used in (lambda download: None, lambda download: next(iter(download)), lambda download: download.close()):
        used(downloads.open(world.image))
        gc.collect()
        assert world.under_way == 0, "a download that nobody closed has ended, too"
    break_reads(world.drivers["fast"], 100)
    with downloads.open(world.image) as download:
        assert b"".join(download) == BODY
        assert [store.bulkhead.under_way for store in world.stores] == [0, 1, 0], "the first store was left"
    for name in ("fast", "cold"):
        world.drivers[name].storage.remove(world.image.locations[0].key)
    with pytest.raises(errors.DataGone):
        downloads.open(world.image)
    assert world.under_way == 0


class Watched(Bulkhead):
    """One slot, which is taken. Calls `waited` when it is waited for."""

    def __init__(self, waited: Callable[[], object]) -> None:
        super().__init__(max_transfers=1)
        self.slot = self.take(wait=0)
        self._waited = waited

    def take(self, *, wait: float | None = None) -> Slot:
        if wait is None or wait > 0:
            self._waited()
        return super().take(wait=0)


def watch(world: World, name: str, waited: Callable[[], object]) -> Watched:
    """The store's bulkhead is one that is watched from now on."""
    watched = Watched(waited)
    object.__setattr__(world.stores.resolve(name), "bulkhead", watched)
    return watched


@pytest.mark.parametrize("busy", ["fast", "cold"])
def test_a_copy_holds_no_slot_while_it_waits_for_another(busy: str) -> None:
    world, seen = Copying("fast"), list[int]()

    def waited() -> None:
        watched.slot.free()
        seen.append(world.under_way)

    watched = watch(world, busy, waited)
    world.copy("cold")
    assert seen == [0]
    world.assert_in("fast", "cold")


def test_a_store_that_became_free_while_another_was_waited_for_is_taken() -> None:
    world = Copying("fast", "cold", transfers=1)
    cold = world.stores.resolve("cold").slot()
    watch(world, "fast", cold.free)
    with DownloadService(world.stores, source=world.rows).open(world.image) as download:
        assert download.location.store == "cold"


def test_copies_in_opposite_directions_both_end(pool: ThreadPoolExecutor) -> None:
    there, back = Copying("fast", transfers=1), Copying("cold", transfers=1)
    for name in ("fast", "cold"):
        theirs = back.stores.resolve(name)
        object.__setattr__(theirs, "bulkhead", there.stores.resolve(name).bulkhead)
    copies = [pool.submit(there.copy, "cold"), pool.submit(back.copy, "fast")]
    assert [len(each.result(PATIENCE).locations) for each in copies] == [1, 1]
    assert (there.under_way, back.under_way) == (0, 0)


def test_a_copy_of_a_busy_source_is_undone_and_holds_nothing() -> None:
    world = Copying("fast", wait=SHORT, transfers=1)
    copy = world.begin_copy("cold")
    with world.stores.resolve("fast").slot(), pytest.raises(errors.StoreBusy) as busy:
        copy.run()
    assert busy.value.store == "fast"
    world.assert_undone()


def test_a_removal_counts_among_the_transfers() -> None:
    world = World(transfers=1, wait=0)
    store = world.stores.resolve(None)
    with store.slot(), pytest.raises(errors.StoreBusy):
        remove_data(store, "key", leftovers=True)
    remove_data(store, "key", leftovers=True)
    assert world.under_way == 0


class Noted(Bulkhead):
    """One slot, which is taken. Notes the seconds that a wait for it may take."""

    def __init__(self, max_wait: float) -> None:
        super().__init__(max_transfers=1, max_wait=max_wait)
        self.waits: list[float] = []
        self.slot = self.take(wait=0)

    def _get(self, slots: Tokens, seconds: float) -> None:
        self.waits.append(seconds)
        super()._get(slots, 0.001)


def test_a_wait_counts_from_when_the_request_came_and_leaves_time_for_the_answer() -> None:
    world, noted = Copying("fast"), Noted(PATIENCE)
    object.__setattr__(world.stores.resolve("fast"), "bulkhead", noted)
    downloads = DownloadService(world.stores, source=world.rows)
    world.rows.create("another", owner=OWNER)
    for work in (
        lambda: downloads.open(world.image),
        lambda: world.service.begin(UploadRequest("another", stores=["fast"])),
        lambda: remove_data(world.stores.resolve("fast"), "key", leftovers=False),
    ):
        with asked_at(time.monotonic() - PATIENCE / 2), pytest.raises(errors.StoreBusy):
            work()
        assert noted.waits.pop() <= PATIENCE * (WAITED - 0.5)
        with asked_at(time.monotonic() - PATIENCE), pytest.raises(errors.StoreBusy):
            work()
        assert noted.waits == [], "its time is over"


def test_what_a_catalog_takes_counts_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    world, noted = World(), Noted(SHORT)
    object.__setattr__(world.stores.resolve("fast"), "bulkhead", noted)
    begin = world.rows.begin

    def slow(request: UploadRequest, stores: Sequence[str]) -> Attempt:
        time.sleep(SHORT)
        return begin(request, stores)

    monkeypatch.setattr(world.rows, "begin", slow)
    with pytest.raises(errors.StoreBusy):
        world.begin()
    assert noted.waits == []


@pytest.mark.parametrize(
    ("threads", "stores", "slots"), [(16, 1, 16), (16, 2, 8), (16, 5, 8), (1, 2, 1), (None, 2, HOST_THREADS // 2)]
)
def test_a_store_with_neighbours_has_half_of_the_threads(threads: int | None, stores: int, slots: int) -> None:
    assert share(threads, stores=stores) == slots


def test_a_bulkhead_that_cannot_be_is_refused() -> None:
    for wrong in ({"max_transfers": 0}, {"max_wait": -1}):
        with pytest.raises(errors.UsageError):
            Bulkhead(**wrong)
