"""Copies that fail - a target, the source, the catalog, the image: all is undone, nothing harmed."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.transfers.copy import CopyStopped
from tests.core.copying_world import BODY, SIZE, Copying, break_reads, damage
from tests.core.faults import Unsure
from tests.core.world import DOWN, IMAGE, MIB, OWNER, PATIENCE, helpers


@pytest.mark.parametrize("need_all", [True, False])
@pytest.mark.parametrize("hook", ["open", "write", "commit", "committed"])
@pytest.mark.parametrize(
    "error", [DOWN, OSError(28, "no space"), RuntimeError("defect")], ids=["library", "os", "foreign"]
)
def test_target_that_fails_is_undone_or_left_out(hook: str, error: Exception, need_all: bool) -> None:
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


def test_copy_whose_targets_all_fail_is_undone() -> None:
    world = Copying()
    for name in ("cold", "far"):
        world.drivers[name].fails("commit", DOWN)
    with pytest.raises(errors.StoreUnavailable):
        world.copy("cold", "far", need_all=False)
    world.assert_undone()


@pytest.mark.parametrize("at", [0, 1, SIZE // 2, SIZE - 1])
def test_copy_whose_source_breaks_for_good_is_undone(at: int) -> None:
    world = Copying()
    break_reads(world.drivers["fast"], at)
    with pytest.raises(errors.StoreUnavailable) as caught:
        world.copy("cold", "far")
    assert caught.value.store == "fast"
    del world.drivers["fast"]._open_reader
    world.assert_undone()


@pytest.mark.parametrize("at", [0, 1, SIZE // 2, SIZE - 1])
def test_source_that_breaks_is_followed_by_the_next_location(at: int) -> None:
    world = Copying("fast", "cold")
    break_reads(world.drivers["fast"], at)
    world.copy("far")
    world.assert_in("fast", "cold", "far")


def test_two_locations_that_differ_do_not_make_a_copy() -> None:
    """A body that was put together from two locations is the image, or is not committed."""
    world = Copying("fast", "cold")
    break_reads(world.drivers["fast"], SIZE // 2)
    damage(world, "cold", bytes(SIZE))
    with pytest.raises(errors.IntegrityError):
        world.copy("far")
    assert "commit" not in world.drivers["far"].calls


@pytest.mark.parametrize("stores", [["cold"], ["cold", "far"]])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=["interrupt", "exit"])
def test_interrupted_copy_is_undone(error: BaseException, stores: list[str]) -> None:
    """No signal ends a thread of a store: an exit there is the driver's failure."""
    world = Copying()
    world.drivers["cold"].fails("write", error)
    is_exit = isinstance(error, SystemExit) and len(stores) > 1
    with pytest.raises(errors.StoreUnavailable if is_exit else type(error)):
        world.copy(*stores)
    world.assert_undone()


@pytest.mark.parametrize("when", ["before", "during"])
def test_copy_stopped_from_another_thread_is_undone(when: str) -> None:
    world = Copying(body=bytes(8 * MIB))
    copy = world.begin_copy("cold")

    def stop() -> None:
        stopper = threading.Thread(target=copy.stop)
        stopper.start()
        stopper.join(PATIENCE)

    if when == "before":
        stop()
    else:
        world.drivers["cold"].hooks["write"] = stop
    with pytest.raises(CopyStopped):
        copy.run()
    world.assert_undone()


def test_copy_that_never_runs_is_undone_by_abort() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    copy.abort()
    copy.abort()
    world.assert_undone()


@pytest.mark.parametrize("changed", [True, False])
def test_addition_of_unknown_outcome_keeps_all_objects_or_none(changed: bool, caplog: pytest.LogCaptureFixture) -> None:
    rows = Unsure("add_locations", changed=changed)
    world = Copying(rows=rows)
    with pytest.raises(errors.CatalogUnavailable):
        world.copy("cold", "far")
    assert "password" not in caplog.text
    rows.healthy = True
    if changed:
        world.assert_in("fast", "cold", "far")
    else:
        world.assert_undone()


def test_catalog_that_is_gone_altogether_keeps_the_objects_and_counts_them() -> None:
    world = Copying(rows=Unsure("add_locations", changed=False, gone=True))
    with pytest.raises(errors.CatalogUnavailable):
        world.copy("cold")
    assert world.objects == {f"fast/{IMAGE}": BODY, f"cold/{IMAGE}.2": BODY}
    assert world.quota == (2 * SIZE, 0)
    assert helpers() == []


@pytest.mark.parametrize("hook", ["write", "commit", "committed"])
def test_deleted_during_the_copy_leaves_nothing(hook: str) -> None:
    world = Copying()
    world.drivers["cold"].hooks[hook] = lambda: world.rows.delete(IMAGE) if IMAGE in world.rows._rows else None
    with pytest.raises(errors.ImageGone) as caught:
        world.copy("cold", "far")
    assert caught.value.status == 410
    assert world.objects == {f"fast/{IMAGE}": BODY}
    assert world.quota == (SIZE, 0), "what was used is for whoever deleted it to give back"
    assert helpers() == []


def test_deleted_and_made_again_under_its_identifier_is_not_touched() -> None:
    world = Copying()
    copy = world.begin_copy("cold")
    world.rows.delete(IMAGE)
    world.rows.create(IMAGE, owner=OWNER)
    world.upload([b"another image"], "far")
    with pytest.raises(errors.ImageGone):
        copy.run()
    assert [location.store for location in world.image.locations] == ["far"]
    assert world.objects == {f"fast/{IMAGE}": BODY, f"far/{IMAGE}.3": b"another image"}


POINTS = st.tuples(st.sampled_from(["open", "write", "commit", "committed"]), st.integers(0, 3))


@given(
    need_all=st.booleans(), targets=st.dictionaries(st.sampled_from(["cold", "far"]), POINTS),
    breaks=st.none() | st.integers(0, SIZE), damaged=st.booleans(), deleted=st.booleans(),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
@pytest.mark.server  # it starts none, but lets everything fail everywhere
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
    source = world.objects[f"fast/{IMAGE}"]
    try:
        result = copy.run()
    except errors.ImgstoreError:
        assert targets or breaks is not None or damaged or deleted
        assert world.objects == {f"fast/{IMAGE}": source}
        assert world.quota == (SIZE, 0)
    else:
        assert not damaged
        assert not deleted
        kept = [location.store for location in result.locations]
        assert kept == ["cold", "far"] if need_all else set(kept) >= {"cold", "far"} - set(targets)
        world.assert_in("fast", *kept)
    assert helpers() == []
