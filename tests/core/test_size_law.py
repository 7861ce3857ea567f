"""Exact to the byte: declared size, largest image, quota and capacity, at n-1, n and n+1, however the body is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.transfers.begin import ANY
from imgstore.transfers.session import GATHER
from tests.core.conftest import Host
from tests.core.faults import FaultyTaps
from tests.core.world import NAMES, World, pieces

N = 100
CUTS = {"one chunk": N + 1, "byte by byte": 1, "sevens": 7}
REFUSALS: dict[str, type[errors.ImgstoreError]] = {
    "largest": errors.ImageTooLarge,
    "quota": errors.QuotaExceeded,
    "capacity": errors.StoreFull,
}


def limited(host: Host, rule: str, n: int) -> World:
    """A world that takes an image of `n` bytes and none that is larger."""
    if rule == "largest":
        return host(max_image_size=n)
    if rule == "quota":
        return host(limit=n * len(host().names))
    return host(capacities=dict.fromkeys(NAMES, n))


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("rule", REFUSALS)
def test_limit_holds_to_the_byte(host: Host, rule: str, declared: bool) -> None:
    for step in CUTS.values():
        _holds_to_the_byte(host, rule, declared, step)


def _holds_to_the_byte(host: Host, rule: str, declared: bool, step: int) -> None:
    for length in (N - 1, N):
        world, body = limited(host, rule, N), bytes(range(length))
        world.upload(pieces(body, step), size=length if declared else None)
        world.assert_active(body)
    world = limited(host, rule, N)
    with pytest.raises(REFUSALS[rule]) as caught:
        world.upload(pieces(bytes(N + 1), step), size=N + 1 if declared else None)
    assert caught.value.status == 413
    world.assert_untouched()


@pytest.mark.parametrize("step", CUTS.values(), ids=CUTS)
def test_body_is_as_long_as_declared(host: Host, step: int) -> None:
    """A shorter one is judged by nobody: it is not the whole image."""
    for length in (0, N - 1, N + 1):
        tap = FaultyTaps()
        world = host(taps=[tap])
        with pytest.raises(errors.SizeMismatch):
            world.upload(pieces(bytes(length), step), size=N)
        assert world.called("commit") == []
        assert "tap.finish" not in tap.calls
        world.assert_untouched()
    world = host()
    world.upload(pieces(bytes(range(N)), step), size=N)
    world.assert_active(bytes(range(N)))


@pytest.mark.parametrize("rule", [*REFUSALS, "declared"])
def test_byte_that_exceeds_is_refused_when_it_comes_and_not_later(host: Host, rule: str) -> None:
    if rule == "capacity":
        host = World  # of several stores, each has a capacity of its own
    world = host() if rule == "declared" else limited(host, rule, N)
    with world.begin(size=N if rule == "declared" else None) as session:
        for _ in range(N):
            session.write(b"x")
        with pytest.raises(REFUSALS.get(rule, errors.SizeMismatch)):
            session.write(b"x")
        with pytest.raises(errors.UsageError):
            session.write(b"x")
        with pytest.raises(errors.UsageError):
            session.finish()
    world.assert_untouched()


@pytest.mark.parametrize("rule", ["declared", *REFUSALS])
def test_store_never_sees_more_than_is_allowed(host: Host, rule: str) -> None:
    n = GATHER + 500
    for step in (100, GATHER, GATHER + 1, 3 * GATHER):
        world = host() if rule == "declared" else limited(host, rule, n)
        with pytest.raises(errors.ImgstoreError):
            world.upload(pieces(bytes(n + 1), step), size=n if rule == "declared" else None)
        assert all(driver.seen <= n for driver in world.drivers.values())
        world.assert_untouched()


@pytest.mark.parametrize("size", [None, N])
@pytest.mark.parametrize("capacity", [N - 1, N])
def test_capacity_is_each_stores_own(size: int | None, capacity: int) -> None:
    world = World(*NAMES, mode=ANY, capacities={"cold": capacity})
    world.upload([bytes(N)], size=size)
    world.assert_active(bytes(N), *(name for name in NAMES if capacity == N or name != "cold"))
    if capacity < N:
        world = World(*NAMES, capacities={"cold": capacity})
        with pytest.raises(errors.StoreFull) as caught:
            world.upload([bytes(N)], size=size)
        assert caught.value.store == "cold"
        world.assert_untouched()


@pytest.mark.parametrize(("step", "most"), [(1, GATHER // 16), (15, GATHER), (1000, GATHER + 1000)])
def test_few_bytes_and_few_chunks_wait_for_the_store(step: int, most: int) -> None:
    """A chunk of one byte takes forty of memory while it waits."""
    world = World()
    with world.begin() as session:
        for written in range(step, 3 * GATHER, step):
            session.write(bytes(step))
            assert written - world.driver.seen < most


def test_zero_is_empty_and_none_is_unknown(host: Host) -> None:
    for size, chunks in ((0, []), (None, []), (0, [b"", b""]), (None, [b""])):
        world = host()
        assert world.upload(chunks, size=size).size == 0
        world.assert_active(b"")
    world = host()
    with pytest.raises(errors.SizeMismatch):
        world.upload([b"x"], size=0)
    world.assert_untouched()


lengths = st.one_of(
    st.integers(0, 5),
    st.sampled_from([GATHER - 1, GATHER, GATHER + 1, GATHER // 2, 1000]),
)


def as_kind(data: bytes, kind: int) -> bytes | bytearray | memoryview:
    kinds: list[bytes | bytearray | memoryview] = [data, bytearray(data), memoryview(data)]
    return kinds[kind]


@given(
    cuts=st.lists(st.tuples(lengths, st.integers(0, 2)), max_size=12), excess=st.integers(-2, 2), known=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_any_cut_obeys_the_declared_size_and_the_limit(
    cuts: Sequence[tuple[int, int]], excess: int, known: bool
) -> None:
    total = sum(length for length, _ in cuts)
    allowed = max(0, total - excess)
    world = World(limit=None if known else allowed)
    body = b"".join(bytes([number % 251]) * length for number, (length, _) in enumerate(cuts))
    position, chunks = 0, []
    for length, kind in cuts:
        chunks.append(as_kind(body[position : position + length], kind))
        position += length
    fits = total == allowed if known else total <= allowed
    if fits:
        world.upload(chunks, size=allowed if known else None)
        world.assert_active(body)
        return
    with pytest.raises(errors.SizeMismatch if known else errors.QuotaExceeded):
        world.upload(chunks, size=allowed if known else None)
    assert world.status == "queued"
    world.assert_nothing_left()
