"""Undone: every call of every collaborator of a good upload fails once, in turn."""

from __future__ import annotations

import asyncio
import errno
import logging
from unittest.mock import Mock

import pytest

from imgstore import errors
from imgstore.undo import Undo
from tests.core.faults import Faults, FaultyWorld
from tests.core.world import MIB, helpers

SECRET = "hunter2-the-secret"
BODY = bytes(range(250)) * 1200
CHUNKS = [BODY[:100], BODY[100:100_000], BODY[100_000:]]


class Foreign(Exception):
    """What somebody else's code raises."""


ERRORS: dict[str, BaseException] = {
    "library": errors.StoreUnavailable("the storage is away", detail="d"),
    "os": OSError(errno.EIO, SECRET),
    "foreign": Foreign(SECRET),
    "cancelled": asyncio.CancelledError(SECRET),
    "interrupt": KeyboardInterrupt(SECRET),
}
OUT_OF_REACH_AFTER = {"hold.settle", "tap.close"}  # the image is active before these are called
ACQUISITIONS = {"catalog.begin", "quota.reserve", "store.reserve", "store.open", "taps.open"}
UNDOING = ("catalog.release", "hold.release", "store.abort", "tap.close", "store.delete")


def good_run(size: int | None) -> list[str]:
    faults = Faults()
    world = FaultyWorld(faults)
    world.upload(CHUNKS, size=size)
    return faults.calls


SIZES = (None, len(BODY))
GOOD_RUNS = {size: good_run(size) for size in SIZES}
POINTS = [
    pytest.param(size, number, id=f"{number}-{name}-{'chunked' if size is None else 'declared'}")
    for size in SIZES
    for number, name in enumerate(GOOD_RUNS[size])
]


def test_good_run_calls_every_collaborator() -> None:
    for size in SIZES:
        extended = {"hold.extend_to"} if size is None else set()  # a declared size is held whole
        assert set(GOOD_RUNS[size]) == ACQUISITIONS | OUT_OF_REACH_AFTER | extended | {
            "tap.write", "tap.finish", "store.write", "store.commit", "store.committed", "store.url",
            "catalog.activate", "catalog.confirm", "catalog.confirm while bytes flow",
        }  # fmt: skip


def test_an_object_appears_after_every_check_and_an_image_after_its_object() -> None:
    for size in SIZES:
        calls = GOOD_RUNS[size]
        assert calls[calls.index("tap.finish") :] == [
            "tap.finish", "catalog.confirm", "store.commit", "store.committed", "catalog.activate", "hold.settle",
            "tap.close",
        ]  # fmt: skip


@pytest.mark.parametrize(("size", "number"), POINTS)
def test_failure_at_any_point_is_undone(size: int | None, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """Before the call had its effect, and after it; what acquires something has none then."""
    for kind in ERRORS:
        run_with_failure(size, number, kind, late=False)
        if GOOD_RUNS[size][number] not in ACQUISITIONS:
            run_with_failure(size, number, kind, late=True)
    assert SECRET not in caplog.text


def run_with_failure(size: int | None, number: int, kind: str, *, late: bool) -> None:
    name, error = GOOD_RUNS[size][number], ERRORS[kind]
    faults = Faults(fail_at=number, error=error, late=late)
    world = FaultyWorld(faults)
    raised = failure_of(world, size)
    if raised is None:
        assert (name, isinstance(error, KeyboardInterrupt)) == ("tap.close", False)
    else:
        assert_is_the_cause(raised, error)
    assert faults.calls[number] == name
    assert faults.calls.count("taps.open") - (name == "taps.open") == world.tap.closed
    activated_all_the_same = name == "catalog.activate" and late and kind != "library"
    world.heal()
    if name in OUT_OF_REACH_AFTER or activated_all_the_same:
        world.assert_active(BODY)
    elif name == "catalog.activate" and late:  # a catalog that breaks its word: it changed something and denies it
        assert helpers() == []
    else:
        world.assert_untouched()


def failure_of(world: FaultyWorld, size: int | None) -> BaseException | None:
    try:
        world.upload(CHUNKS, size=size)
    except (errors.ImgstoreError, KeyboardInterrupt) as raised:
        return raised
    return None


def assert_is_the_cause(raised: BaseException, error: BaseException) -> None:
    if isinstance(error, (errors.ImgstoreError, KeyboardInterrupt)):
        assert raised is error
    else:
        assert isinstance(raised, errors.ImgstoreError)
        assert raised.__cause__ is error
        assert SECRET not in raised.message


@pytest.mark.parametrize("also", ["foreign", "interrupt"])
@pytest.mark.parametrize("number", range(len(GOOD_RUNS[None])))
def test_failing_undo_neither_hides_the_cause_nor_stops_the_rest(
    number: int, also: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An upload of unknown length makes every call that one of a declared length makes."""
    size = None
    caplog.set_level(logging.DEBUG)
    undo_error = ERRORS[also]
    faults = Faults(fail_at=number, error=Foreign("cause"), also=dict.fromkeys(UNDOING, undo_error))
    world = FaultyWorld(faults)
    raised = failure_of(world, size)
    name = GOOD_RUNS[size][number]
    if name == "tap.close":
        return
    assert raised is undo_error or "cause" in str(raised.__cause__)  # type: ignore[union-attr]  # no failure fails here
    if not isinstance(undo_error, Exception):
        assert raised is undo_error or name == "catalog.begin"
    begun = GOOD_RUNS[size][:number]
    assert ("catalog.release" in faults.calls) == ("catalog.begin" in begun)
    assert ("hold.release" in faults.calls or "hold.settle" in faults.calls) == ("quota.reserve" in begun)
    assert world.tap.closed == begun.count("taps.open")
    assert helpers() == []
    assert SECRET not in caplog.text


def test_interrupted_undo_runs_to_its_end() -> None:
    done: list[str] = []
    undo = Undo()
    undo.push("first", lambda: done.append("first"))
    undo.push("second", Mock(side_effect=KeyboardInterrupt))
    undo.push("third", lambda: done.append("third"))
    with pytest.raises(KeyboardInterrupt):
        undo.run()
    assert done == ["third", "first"]
    undo.run()
    assert done == ["third", "first"], "a step is undone once"


def test_forgotten_steps_are_not_undone() -> None:
    done: list[str] = []
    undo = Undo()
    undo.push("it", lambda: done.append("it"))
    undo.forget()
    undo.run()
    assert done == []


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_leaving_without_finish_is_abort(chunks: int) -> None:
    world = FaultyWorld(Faults())
    with world.begin() as session:
        for _ in range(chunks):
            session.write(bytes(MIB))
    session.abort()
    assert world.tap.closed == 1
    world.assert_untouched()


def test_ended_session_takes_nothing() -> None:
    world = FaultyWorld(Faults())
    with world.begin() as session:
        session.write(BODY)
        session.finish()
        session.abort()
        for action in (lambda: session.write(b"x"), lambda: session.write(b""), session.finish):
            with pytest.raises(errors.UsageError):
                action()
    assert world.tap.closed == 1
    world.assert_active(BODY)


def test_chunk_that_is_no_buffer_is_the_hosts_mistake_and_leaves_nothing() -> None:
    world = FaultyWorld(Faults())
    with pytest.raises(errors.UsageError), world.begin() as session:
        session.write("text")  # type: ignore[arg-type]  # the mistake
    world.assert_untouched()
