"""An upload to several stores: read once, in each of them whole or in none (law 1), at once, from bounded memory."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.model import Attempt, UploadRequest
from imgstore.transfers import digests as digests_module
from imgstore.transfers.begin import ALL, ANY
from imgstore.transfers.session import GATHER
from tests.core.several import NAMES, SeveralStores, helpers, store_threads
from tests.core.world import IMAGE, MIB, pieces

BODY = bytes(range(250)) * 1200
PATIENCE = 60.0
DOWN = errors.StoreUnavailable("down")


class CountingTap:
    """Sees how many bytes pass, and how often it is opened."""

    def __init__(self) -> None:
        self.seen = 0
        self.opened: list[Attempt] = []

    def __call__(self, attempt: Attempt, *, size: int | None) -> CountingTap:
        self.opened.append(attempt)
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        self.seen += len(chunk)

    def finish(self) -> Mapping[str, str | int]:
        return {"seen": self.seen}

    def close(self) -> None:
        return None


class CountingHash:
    """A hash that counts what all of them get."""

    fed = 0

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)

    def update(self, data: bytes | memoryview, /) -> None:
        type(self).fed += len(data)
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@pytest.mark.parametrize("mode", [ALL, ANY])
@pytest.mark.parametrize("names", [("fast",), ("far", "cold"), NAMES])
@pytest.mark.parametrize("size", [None, len(BODY)])
def test_each_store_gets_the_whole_image(mode: str, names: Sequence[str], size: int | None) -> None:
    world = SeveralStores(mode)
    result = world.upload(pieces(BODY, 70_000), *names, size=size)
    assert [location.store for location in result.locations] == list(names)
    assert result.hash_value == hashlib.sha512(BODY).hexdigest()
    world.assert_active(BODY, *names)


def test_no_store_named_is_the_default_one() -> None:
    world = SeveralStores()
    with world.service.begin(UploadRequest(IMAGE)) as session:
        session.write(BODY)
        session.finish()
    world.assert_active(BODY, "fast")


def test_empty_image_is_in_each_store() -> None:
    world = SeveralStores()
    world.upload([])
    world.assert_active(b"", *NAMES)


def test_digests_and_taps_see_the_stream_once(monkeypatch: pytest.MonkeyPatch) -> None:
    CountingHash.fed = 0
    monkeypatch.setattr(digests_module, "new_hash", CountingHash)
    tap = CountingTap()
    SeveralStores(taps=[tap]).upload(pieces(BODY, 100_000))
    assert tap.seen == len(BODY)
    assert [attempt.stores for attempt in tap.opened] == [NAMES]
    assert CountingHash.fed == 2 * len(BODY), "md5 and sha512, once each"


class Meeting:
    """A hook that goes on only when all the stores are in theirs at the same time."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)
        self.met = 0

    def __call__(self) -> None:
        self._barrier.wait(PATIENCE)
        self.met += 1


@pytest.mark.parametrize("hook", ["write", "commit"])
@pytest.mark.parametrize("mutable", [False, True])
def test_stores_are_written_and_committed_at_the_same_time(hook: str, mutable: bool) -> None:
    """No store waits for another one's: one after the other they would never meet."""
    world, meeting = SeveralStores(), Meeting(len(NAMES))
    for driver in world.drivers.values():
        driver.hooks[hook] = meeting
    world.upload([bytearray(BODY) if mutable else BODY])
    assert meeting.met == len(NAMES)
    world.assert_active(BODY, *NAMES)


def test_immutable_chunk_is_shared_and_not_copied() -> None:
    world, chunk = SeveralStores(), bytes(MIB)
    world.upload([chunk, chunk])
    for driver in world.drivers.values():
        assert [seen is chunk for seen in driver.chunks] == [True, True]


@pytest.mark.parametrize("step", [100, GATHER, MIB])
def test_mutable_buffer_is_free_when_write_returns(step: int) -> None:
    world, body = SeveralStores(), BODY * 4
    buffer = bytearray(step)
    with world.begin() as session:
        for part in pieces(body, step):
            buffer[: len(part)] = part
            view = memoryview(buffer)[: len(part)]
            session.write(view)
            view.release()
            buffer[:] = b"\xee" * step
        buffer.extend(b"a buffer that somebody still looks at cannot grow")
        session.finish()
    world.assert_active(body, *NAMES)


def test_one_store_has_no_thread() -> None:
    world = SeveralStores()
    with world.begin("cold") as session:
        session.write(BODY)
        assert store_threads() == []
        session.finish()
    assert world.drivers["cold"].threads == {threading.current_thread().name}


def test_each_store_has_a_thread_until_the_session_ends() -> None:
    world = SeveralStores()
    with world.begin() as session:
        assert store_threads() == [], "none before the first byte"
        session.write(BODY)
        assert len(store_threads()) == len(NAMES)
        session.finish()
        assert helpers() == []


@pytest.mark.parametrize("end", ["abort", "leave", "refusal"])
def test_threads_are_given_back_however_it_ends(end: str) -> None:
    world = SeveralStores(limit=3 * 3 * MIB)
    session = world.begin()
    session.write(bytes(2 * MIB))
    assert len(store_threads()) == len(NAMES)
    if end == "abort":
        session.abort()
    elif end == "leave":
        session.__exit__(None, None, None)
    else:
        with pytest.raises(errors.QuotaExceeded):
            session.write(bytes(2 * MIB))
    assert helpers() == []
    world.assert_untouched()


def test_threads_that_the_system_refuses_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world, started = SeveralStores(), itertools.count()
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("imgstore-store") and next(started) == 1:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(errors.ImgstoreError):
        world.upload([BODY])
    monkeypatch.undo()
    world.assert_untouched()


@pytest.mark.parametrize("chunk", [64 * 1024, 100_000, MIB])
def test_law_6_what_waits_for_the_slowest_store_is_bounded(chunk: int) -> None:
    window, gate, held = 4 * MIB, threading.Event(), threading.Event()
    world = SeveralStores(window=window)

    def wait() -> None:
        held.set()
        assert gate.wait(PATIENCE)

    world.drivers["far"].hooks["write"] = wait
    taken = 0
    full = threading.Event()

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
    world.assert_active(bytes(4 * window), *NAMES)


def test_chunk_larger_than_the_window_passes_alone() -> None:
    world = SeveralStores(window=MIB)
    world.upload([bytes(3 * MIB), bytes(MIB), bytes(5 * MIB)])
    world.assert_active(bytes(9 * MIB), *NAMES)


@given(
    cuts=st.lists(st.integers(1, 200_000), max_size=12), mode=st.sampled_from([ALL, ANY]),
    failing=st.dictionaries(
        st.sampled_from(NAMES), st.tuples(st.sampled_from(["open", "write", "commit", "committed"]), st.integers(0, 4))
    ),
    declared=st.sampled_from([None, 0, -1, 1]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_whatever_fails_the_image_is_whole_in_the_stores_that_have_it_or_nowhere(
    cuts: list[int], mode: str, failing: dict[str, tuple[str, int]], declared: int | None
) -> None:
    body = BODY[: sum(cuts)] * 1
    world = SeveralStores(mode, window=300_000)
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
