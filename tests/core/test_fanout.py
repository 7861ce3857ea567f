"""An upload to several stores: read once, in each of them whole or in none, at once, from bounded memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.model import UploadRequest
from imgstore.transfers.begin import ALL, ANY
from tests.core.world import DOWN, IMAGE, MIB, NAMES, PATIENCE, World, helpers, pieces

BODY = bytes(range(250)) * 1200


@pytest.mark.parametrize("mode", [ALL, ANY])
@pytest.mark.parametrize("names", [("fast",), ("far", "cold"), NAMES])
@pytest.mark.parametrize("size", [None, len(BODY)])
def test_each_store_gets_the_whole_image(mode: str, names: Sequence[str], size: int | None) -> None:
    world = World(*NAMES, mode=mode)
    result = world.upload(pieces(BODY, 70_000), *names, size=size)
    assert [location.store for location in result.locations] == list(names)
    assert result.hash_value == hashlib.sha512(BODY).hexdigest()
    world.assert_active(BODY, *names)


def test_no_store_named_is_the_default_one() -> None:
    world = World(*NAMES)
    with world.service.begin(UploadRequest(IMAGE)) as session:
        session.write(BODY)
        session.finish()
    world.assert_active(BODY, "fast")


@pytest.mark.parametrize("hook", ["write", "commit"])
@pytest.mark.parametrize("mutable", [False, True])
def test_stores_are_written_and_committed_at_the_same_time(hook: str, mutable: bool) -> None:
    """No store waits for another one's: one after the other they would never meet."""
    world, meeting = World(*NAMES), threading.Barrier(len(NAMES))
    for driver in world.drivers.values():
        driver.hooks[hook] = lambda: meeting.wait(PATIENCE)
    world.upload([bytearray(BODY) if mutable else BODY])
    world.assert_active(BODY)


def test_one_store_has_no_thread() -> None:
    world = World(*NAMES)
    with world.begin("cold") as session:
        session.write(BODY)
        assert helpers("store") == []
        session.finish()
    assert world.drivers["cold"].threads == {threading.current_thread().name}


def test_each_store_has_a_thread_until_the_session_ends() -> None:
    world = World(*NAMES)
    with world.begin() as session:
        assert helpers("store") == [], "none before the first byte"
        session.write(BODY)
        assert len(helpers("store")) == len(NAMES)
        session.finish()
        assert helpers() == []


@pytest.mark.parametrize("chunk", [64 * 1024, 100_000, MIB])
def test_what_waits_for_the_slowest_store_is_bounded(chunk: int) -> None:
    window, gate, held = 4 * MIB, threading.Event(), threading.Event()
    world = World(*NAMES, stores_window=window)

    def wait() -> None:
        held.set()
        assert gate.wait(PATIENCE)

    world.drivers["far"].hooks["write"] = wait
    taken, full = 0, threading.Event()

    def push() -> None:
        nonlocal taken
        with world.begin() as session:
            for part in pieces(bytes(4 * window), chunk):
                if taken + chunk > window:
                    full.set()
                session.write(part)
                taken += len(part)
            session.finish()

    pusher = threading.Thread(target=push)
    pusher.start()
    assert held.wait(PATIENCE)
    assert full.wait(PATIENCE)
    pusher.join(0.2)  # it would go on if anything let it
    assert window - chunk < taken <= window
    gate.set()
    pusher.join(PATIENCE)
    world.assert_active(bytes(4 * window))


def test_chunk_larger_than_the_window_passes_alone() -> None:
    world = World(*NAMES, stores_window=MIB)
    world.upload([bytes(3 * MIB), bytes(MIB), bytes(5 * MIB)])
    world.assert_active(bytes(9 * MIB))


@given(
    cuts=st.lists(st.integers(1, 200_000), max_size=12), mode=st.sampled_from([ALL, ANY]),
    failing=st.dictionaries(
        st.sampled_from(NAMES), st.tuples(st.sampled_from(["open", "write", "commit", "committed"]), st.integers(0, 4))
    ),
    declared=st.sampled_from([None, 0, -1, 1]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_whatever_fails_each_store_has_the_whole_image_or_nothing(
    cuts: list[int], mode: str, failing: dict[str, tuple[str, int]], declared: int | None
) -> None:
    body = BODY[: sum(cuts)]
    world = World(*NAMES, mode=mode, stores_window=300_000)
    for name, (hook, after) in failing.items():
        world.drivers[name].fails(hook, DOWN, after=after)
    position, size = 0, None if declared is None else max(0, len(body) + declared)
    try:
        with world.begin(size=size) as session:
            for cut in cuts:
                session.write(body[position : position + cut])
                position += cut
            result = session.finish()
    except errors.StoreUnavailable:
        assert failing if mode == ALL else len(failing) == len(NAMES)
        world.assert_untouched()
    except errors.SizeMismatch:
        assert size != len(body)
        world.assert_untouched()
    else:
        kept = [location.store for location in result.locations]
        assert size in (None, len(body))
        assert set(NAMES) - set(kept) <= set(failing)
        assert mode == ANY or kept == list(NAMES)
        world.assert_active(body, *kept)
