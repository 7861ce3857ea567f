"""The laws of an upload to several stores: what fails (3), sizes (2), quota (4), what is refused (5), who owns (8)."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Sequence

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt, UploadResult
from imgstore.transfers.begin import ALL, ANY, OFF, UploadSettings
from tests.core.faults import Faults, FaultyTaps
from tests.core.several import HOOKS, NAMES, SeveralStores, helpers, store_threads
from tests.core.world import IMAGE, OWNER, pieces

BODY = bytes(range(250)) * 1200
PATIENCE = 60.0
DOWN = errors.StoreUnavailable("down")

# Law 3: each hook of each store fails once, in either mode.

FAILURES: dict[str, BaseException] = {
    "library": errors.StoreUnavailable("down"),
    "os": OSError(28, "no space"),
    "foreign": RuntimeError("a defect of the driver"),
    "interrupt": KeyboardInterrupt("hunter2"),
}
POINTS = [
    (hook, after)
    for hook in HOOKS
    if hook not in ("abort", "delete")
    for after in ((0, 2) if hook == "write" else (0,))
]


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize(("hook", "after"), POINTS)
@pytest.mark.parametrize("name", NAMES)
def test_law_3_a_store_that_fails_anywhere_undoes_all(name: str, hook: str, after: int, kind: str) -> None:
    world = SeveralStores()
    world.drivers[name].fails(hook, FAILURES[kind], after=after)
    with pytest.raises((errors.ImgstoreError, KeyboardInterrupt)) as caught:
        world.upload(pieces(BODY, 100_000))
    assert isinstance(caught.value, KeyboardInterrupt) == (kind == "interrupt")
    if isinstance(caught.value, errors.StoreError):
        assert caught.value.store == name
    else:
        assert hook == "url" or kind == "interrupt", "what a driver's hooks raise is the store's failure"
    assert "hunter2" not in str(getattr(caught.value, "message", ""))
    world.assert_untouched()


@pytest.mark.parametrize("kind", ["library", "os", "foreign"])
@pytest.mark.parametrize(("hook", "after"), [point for point in POINTS if point[0] != "url"])
@pytest.mark.parametrize("name", NAMES)
def test_a_store_that_fails_is_left_out_where_one_is_enough(
    name: str, hook: str, after: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = SeveralStores(ANY)
    world.drivers[name].fails(hook, FAILURES[kind], after=after)
    result = world.upload(pieces(BODY, 100_000))
    rest = [other for other in NAMES if other != name]
    assert [location.store for location in result.locations] == rest
    world.assert_active(BODY, *rest)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [f"Store {name} is left out" in line for line in told] == [True]
    assert world.drivers[name].calls.count("abort") == (0 if hook == "open" else 1)


@pytest.mark.parametrize("mode", [ALL, ANY])
def test_an_interrupt_in_a_store_ends_the_upload_in_either_mode(mode: str) -> None:
    world = SeveralStores(mode)
    world.drivers["cold"].fails("write", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        world.upload(pieces(BODY, 100_000))
    world.assert_untouched()


@pytest.mark.parametrize("hooks", list(itertools.product(["open", "write", "commit"], repeat=3)))
def test_the_last_store_that_fails_fails_the_upload(hooks: tuple[str, str, str]) -> None:
    world = SeveralStores(ANY)
    for name, hook in zip(NAMES, hooks, strict=True):
        world.drivers[name].fails(hook, errors.StoreUnavailable(f"{name} is down"))
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.upload(pieces(BODY, 100_000))
    assert caught.value.store in NAMES
    world.assert_untouched()


@pytest.mark.parametrize("hook", ["abort", "delete"])
def test_an_undo_that_fails_in_one_store_does_not_keep_the_others_from_theirs(hook: str) -> None:
    world = SeveralStores()
    world.drivers["cold"].fails(hook, RuntimeError("cannot"))
    with world.begin() as session:
        session.write(BODY)
        if hook == "abort":
            session.abort()
            assert world.objects() == {}
        else:
            world.drivers["far"].hooks["commit"] = lambda: world.rows.delete(IMAGE)
            with pytest.raises(errors.ImageGone):
                session.finish()
            assert world.objects() == {f"cold/{IMAGE}": BODY}, "what could not be removed is the purge's"
    assert world.quota == ((0, 0) if hook == "abort" else (len(BODY), 0)), "what is there counts"
    assert helpers() == []
    for name in ("fast", "far"):
        assert world.drivers[name].calls.count(hook) == 1


def test_failure_of_one_store_is_not_kept_back_by_another_that_is_full() -> None:
    """The caller waits for room in a store that waits for a third one's failure to be told."""
    world, told = SeveralStores(window=200_000), threading.Event()

    def wait() -> None:
        assert told.wait(PATIENCE)

    def fail() -> None:
        told.set()
        raise errors.StoreUnavailable("down")

    world.drivers["fast"].hooks["write"] = wait
    world.drivers["far"].hooks["write"] = fail
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.upload(pieces(BODY * 4, 100_000))
    assert caught.value.store == "far"
    world.assert_untouched()


def test_no_store_commits_while_another_may_still_fail() -> None:
    world = SeveralStores()
    world.drivers["far"].fails("write", DOWN, after=1)
    with pytest.raises(errors.StoreUnavailable):
        world.upload([BODY, BODY])
    assert not any("commit" in driver.calls for driver in world.drivers.values())


# Law 2: the size, the limit and each store's capacity, to the byte.


@pytest.mark.parametrize("mode", [ALL, ANY])
@pytest.mark.parametrize("step", [1, 333, 70_000])
def test_law_2_the_byte_that_exceeds_is_refused_at_once(mode: str, step: int) -> None:
    for world, size in ((SeveralStores(mode), 1000), (SeveralStores(mode, largest=1000), None)):
        with world.begin(size=size) as session:
            for part in pieces(bytes(1000), min(step, 1000)):
                session.write(part)
            with pytest.raises((errors.SizeMismatch, errors.ImageTooLarge)):
                session.write(b"x")
        assert not any("write" in driver.calls for driver in world.drivers.values()), "gathered, and refused at once"
        world.assert_untouched()


@pytest.mark.parametrize("mode", [ALL, ANY])
def test_law_2_a_body_shorter_than_declared_is_refused(mode: str) -> None:
    """Before anybody judges what is not the whole image."""
    tap = FaultyTaps(Faults())
    world = SeveralStores(mode, taps=[tap])
    with pytest.raises(errors.SizeMismatch):
        world.upload([BODY], size=len(BODY) + 1)
    assert not any("commit" in driver.calls for driver in world.drivers.values())
    assert "tap.finish" not in tap.calls
    world.assert_untouched()


@pytest.mark.parametrize("size", [None, len(BODY)])
@pytest.mark.parametrize("capacity", [len(BODY) - 1, len(BODY)])
def test_law_2_capacity_is_each_stores_own(size: int | None, capacity: int) -> None:
    fits = capacity == len(BODY)
    for mode in (ALL, ANY):
        world = SeveralStores(mode, capacities={"cold": capacity})
        if mode == ALL and not fits:
            with pytest.raises(errors.StoreFull) as caught:
                world.upload(pieces(BODY, 100_000), size=size)
            assert caught.value.store == "cold"
            assert sum(map(len, world.drivers["cold"].chunks)) <= capacity
            world.assert_untouched()
        else:
            world.upload(pieces(BODY, 100_000), size=size)
            world.assert_active(BODY, *(name for name in NAMES if fits or name != "cold"))


# Law 4: the quota counts each copy.


@pytest.mark.parametrize("size", [None, 1000])
def test_law_4_each_copy_is_held_and_counted(size: int | None) -> None:
    world = SeveralStores(limit=3000)
    with world.begin(size=size) as session:
        assert world.quota == (0, 3 * (size or 0))
        session.write(bytes(1000))
        assert world.quota == (0, 3000)
        session.finish()
    world.assert_active(bytes(1000), *NAMES)


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize("mode", [ALL, ANY])
def test_law_4_room_for_some_copies_is_not_enough(size: int | None, mode: str) -> None:
    world = SeveralStores(mode, limit=2999)
    with pytest.raises(errors.QuotaExceeded):
        world.upload([bytes(1000)], size=size)
    assert size is None or not any("open" in driver.calls for driver in world.drivers.values())
    world.assert_untouched()


def test_law_4_a_store_that_is_left_out_gives_its_room_back_at_once() -> None:
    world = SeveralStores(ANY)
    world.drivers["cold"].fails("open", DOWN)
    with world.begin(size=1000) as session:
        assert world.quota == (0, 2000)
        session.write(bytes(1000))
        session.finish()
    world.assert_active(bytes(1000), "fast", "far")


def test_one_store_that_is_left_needs_no_thread() -> None:
    world = SeveralStores(ANY)
    world.drivers["cold"].fails("open", DOWN)
    world.drivers["far"].fails("open", DOWN)
    with world.begin() as session:
        session.write(BODY)
        assert store_threads() == []
        session.finish()
    world.assert_active(BODY, "fast")


# Law 5: what is refused before the first byte.

REFUSED = [
    (ALL, ("fast", "nope"), errors.UnknownStore, "nope"),
    (ALL, ("fast", ""), errors.UnknownStore, "''"),
    (ALL, ("fast", "cold", "fast"), errors.InvalidRequest, "'fast' is named twice"),
    (ANY, ("cold", "cold"), errors.InvalidRequest, "'cold' is named twice"),
    (OFF, ("fast", "cold"), errors.InvalidRequest, "one store"),
    (ALL, ("fast", "far"), errors.StoreReadOnly, "disabled"),
    (ANY, ("fast", "far"), errors.StoreReadOnly, "disabled"),
]


@pytest.mark.parametrize(("mode", "names", "error", "words"), REFUSED)
def test_law_5_a_list_that_cannot_be_is_refused_before_the_first_byte(
    mode: str, names: Sequence[str], error: type[errors.ImgstoreError], words: str
) -> None:
    world = SeveralStores(mode, read_only=["far"])
    with pytest.raises(error, match=words):
        world.begin(*names)
    assert world.status == "queued"
    world.assert_no_trace()
    assert not any(driver.calls for driver in world.drivers.values())


def test_settings_know_three_words() -> None:
    with pytest.raises(errors.UsageError, match="off, all, any"):
        UploadSettings(several_stores="some")


# Law 8: only the owner acts; activation is refused, or nobody knows.


def test_law_8_activation_that_is_refused_removes_every_stores_object() -> None:
    world = SeveralStores()
    world.drivers["cold"].hooks["committed"] = lambda: world.rows.delete(IMAGE)
    with pytest.raises(errors.ImageGone):
        world.upload([BODY])
    assert [driver.calls.count("delete") for driver in world.drivers.values()] == [1, 1, 1]
    world.assert_no_trace()


def test_law_8_attempt_that_lost_its_image_commits_nowhere() -> None:
    world = SeveralStores()
    with world.begin() as session:
        session.write(BODY)
        world.rows.delete(IMAGE)
        with pytest.raises(errors.ImageGone):
            session.finish()
    assert not any("commit" in driver.calls for driver in world.drivers.values())
    world.assert_no_trace()


class Unsure(MemoryCatalog):
    """Its answer to `activate` gets lost, after the change or before."""

    def __init__(self, *, changed: bool) -> None:
        super().__init__()
        self.create(IMAGE, owner=OWNER)
        self._changed = changed

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        if self._changed:
            super().activate(attempt, result)
        raise ConnectionError("gone")


@pytest.mark.parametrize("changed", [True, False])
def test_law_8_activation_of_unknown_outcome_keeps_all_objects_or_none(changed: bool) -> None:
    rows = Unsure(changed=changed)
    world = SeveralStores(catalog=rows)
    world.rows = rows
    with pytest.raises(errors.CatalogUnavailable):
        world.upload([BODY])
    if changed:
        world.assert_active(BODY, *NAMES)
    else:
        assert rows.find(IMAGE).status == "queued"
        world.assert_no_trace()


def test_failure_before_the_catalog_is_asked_needs_no_word_of_it() -> None:
    """A commit that fails is removed from the others although the catalog is away: the image cannot be active."""

    class Away(MemoryCatalog):
        def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
            raise ConnectionError("away")

    rows = Away()
    rows.create(IMAGE, owner=OWNER)
    world = SeveralStores(catalog=rows)
    world.drivers["far"].fails("commit", DOWN)
    with pytest.raises(errors.StoreUnavailable):
        world.upload([BODY])
    world.assert_no_trace()
