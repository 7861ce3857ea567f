"""Copies that fail - a target, the source, the catalog, the image: all is undone (law 3), nothing harmed (law 8)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt, Location, UploadRequest
from imgstore.transfers.copy import CopyStopped
from tests.core.copying_world import BODY, DOWN, SIZE, Copying, break_reads, damage
from tests.core.several import helpers
from tests.core.world import IMAGE, MIB, OWNER

PATIENCE = 60.0


@pytest.mark.parametrize("need_all", [True, False])
@pytest.mark.parametrize("hook", ["open", "write", "commit", "committed"])
@pytest.mark.parametrize(
    "error", [DOWN, OSError(28, "no space"), RuntimeError("defect")], ids=["library", "os", "foreign"]
)
def test_law_3_target_that_fails(hook: str, error: Exception, need_all: bool) -> None:
    world = Copying()
    world.drivers["far"].fails(hook, error)
    if need_all:
        with pytest.raises(errors.StoreError) as caught:
            world.copy("cold", "far")
        assert caught.value.store == "far"
        world.assert_undone()
    else:
        result = world.copy("cold", "far", need_all=False)
        assert [location.store for location in result.locations] == ["cold"]
        world.assert_in("fast", "cold")


def test_law_3_every_target_fails() -> None:
    world = Copying()
    for name in ("cold", "far"):
        world.drivers[name].fails("commit", DOWN)
    with pytest.raises(errors.StoreUnavailable):
        world.copy("cold", "far", need_all=False)
    world.assert_undone()


@pytest.mark.parametrize("at", [0, 1, SIZE // 2, SIZE - 1])
def test_law_3_source_that_breaks_for_good(at: int) -> None:
    world = Copying()
    break_reads(world.drivers["fast"], at)
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.copy("cold", "far")
    assert caught.value.store == "fast"
    del world.drivers["fast"]._open_reader
    world.assert_undone()


@pytest.mark.parametrize("at", [0, 1, SIZE // 2, SIZE - 1])
def test_law_9_source_that_breaks_is_followed_by_the_next_location(at: int) -> None:
    world = Copying("fast", "cold")
    break_reads(world.drivers["fast"], at)
    world.copy("far")
    world.assert_in("fast", "cold", "far")


def test_law_9_two_locations_that_differ_do_not_make_a_copy() -> None:
    """A body that was put together from two locations is the image, or is not committed."""
    world = Copying("fast", "cold")
    break_reads(world.drivers["fast"], SIZE // 2)
    damage(world, "cold", bytes(SIZE))
    with pytest.raises(errors.IntegrityError):
        world.copy("far")
    assert "commit" not in world.drivers["far"].calls


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=["interrupt", "exit"])
def test_law_3_interrupt(error: BaseException) -> None:
    world = Copying()
    world.drivers["cold"].fails("write", error)
    with pytest.raises(type(error)):
        world.copy("cold", "far")
    world.assert_undone()


@pytest.mark.parametrize("when", ["before", "during"])
def test_stopped_from_another_thread_is_undone(when: str) -> None:
    world = Copying(body=bytes(8 * MIB))
    copy, begun, go_on = world.begin_copy("cold"), threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def wait() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    if when == "during":
        world.drivers["cold"].hooks["write"] = wait

    def run() -> None:
        with pytest.raises(CopyStopped) as caught:
            copy.run()
        raised.append(caught.value)

    if when == "before":
        copy.stop()
    runner = threading.Thread(target=run)
    runner.start()
    if when == "during":
        assert begun.wait(PATIENCE)
        copy.stop()
        go_on.set()
    runner.join(PATIENCE)
    assert [type(error) for error in raised] == [CopyStopped]
    world.assert_undone()


def test_copy_that_never_runs_is_undone_by_abort() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    copy.abort()
    copy.abort()
    world.assert_undone()


# Law 8: the catalog decides.


class Unsure(MemoryCatalog):
    """Its answer to `add_locations` gets lost, after the change or before; or it refuses; or it is away at the end."""

    def __init__(self, *, changed: bool, away: bool = False) -> None:
        super().__init__()
        self._changed = changed
        self._away = away
        self.healthy = False

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        if self._changed or self.healthy:
            super().add_locations(attempt, locations)
        if not self.healthy:
            raise ConnectionError("postgres://user:password@host/")

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        if self._away and not self.healthy:
            raise ConnectionError("postgres://user:password@host/")
        return super().release(attempt, unremoved)


@pytest.mark.parametrize("changed", [True, False])
def test_law_8_addition_of_unknown_outcome_keeps_all_objects_or_none(
    changed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Unsure(changed=changed)
    world = Copying(rows=rows)
    with pytest.raises(errors.CatalogUnavailable):
        world.copy("cold", "far")
    assert "password" not in caplog.text
    rows.healthy = True
    if changed:
        world.assert_in("fast", "cold", "far")
    else:
        world.assert_undone()


def test_law_8_catalog_that_is_gone_altogether_keeps_the_objects_and_counts_them() -> None:
    world = Copying(rows=Unsure(changed=False, away=True))
    with pytest.raises(errors.CatalogUnavailable):
        world.copy("cold")
    assert world.objects() == {f"fast/{IMAGE}": BODY, f"cold/{IMAGE}.2": BODY}
    assert world.quota == (2 * SIZE, 0)
    assert helpers() == []


@pytest.mark.parametrize("hook", ["write", "commit", "committed"])
def test_law_8_deleted_during_the_copy_leaves_nothing(hook: str) -> None:
    world = Copying()
    world.drivers["cold"].hooks[hook] = lambda: world.rows.delete(IMAGE) if IMAGE in world.rows._rows else None
    with pytest.raises(errors.ImageGone) as caught:
        world.copy("cold", "far")
    assert caught.value.status == 410
    assert world.objects() == {f"fast/{IMAGE}": BODY}
    assert world.quota == (SIZE, 0), "what was used is for whoever deleted it to give back"
    assert helpers() == []


def test_law_8_deleted_and_made_again_under_its_identifier_is_not_touched() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    world.rows.delete(IMAGE)
    world.rows.create(IMAGE, owner=OWNER)
    with world.service.begin(UploadRequest(IMAGE, stores=["far"])) as session:
        session.write(b"another image")
        session.finish()
    with pytest.raises(errors.ImageGone):
        copy.run()
    assert [location.store for location in world.image.locations] == ["far"]
    assert world.objects() == {f"fast/{IMAGE}": BODY, f"far/{IMAGE}.3": b"another image"}


POINTS = st.tuples(st.sampled_from(["open", "write", "commit", "committed"]), st.integers(0, 3))


@given(
    need_all=st.booleans(), targets=st.dictionaries(st.sampled_from(["cold", "far"]), POINTS),
    breaks=st.none() | st.integers(0, SIZE), damaged=st.booleans(), deleted=st.booleans(),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_whatever_happens_the_copy_is_the_image_or_is_not(
    need_all: bool, targets: dict[str, tuple[str, int]], breaks: int | None, damaged: bool, deleted: bool
) -> None:
    world = Copying()
    for name, (hook, after) in targets.items():
        world.drivers[name].fails(hook, DOWN, after=after)
    if breaks is not None:
        break_reads(world.drivers["fast"], breaks)
    if damaged:
        damage(world, "fast", BODY[::-1])
    copy = world.begin_copy("cold", "far", need_all=need_all)
    if deleted:
        world.rows.delete(IMAGE)
    source = world.objects()[f"fast/{IMAGE}"]
    try:
        result = copy.run()
    except errors.ImgstoreError:
        assert targets or breaks is not None or damaged or deleted
        assert world.objects() == {f"fast/{IMAGE}": source}
        assert world.quota == (SIZE, 0)
    else:
        assert not damaged
        assert not deleted
        kept = [location.store for location in result.locations]
        assert kept == ["cold", "far"] if need_all else set(kept) >= {"cold", "far"} - set(targets)
        world.assert_in("fast", *kept)
    assert helpers() == []
