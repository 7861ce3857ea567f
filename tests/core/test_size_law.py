"""Law 2, exact to the byte: declared size, largest image and quota, at n-1, n and n+1, however the body is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.transfers.session import GATHER
from imgstore.transfers.upload import UploadSettings
from tests.core.world import World, pieces

N = 100
CUTS = {"one chunk": N + 1, "byte by byte": 1, "sevens": 7}


def world_with(rule: str, n: int) -> World:
    if rule == "largest":
        return World(settings=UploadSettings(max_image_size=n))
    if rule == "quota":
        return World(limit=n)
    if rule == "capacity":
        return World(driver=MemoryDriver(capacity=n))
    return World()


REFUSALS: dict[str, type[errors.ImgstoreError]] = {
    "largest": errors.ImageTooLarge,
    "quota": errors.QuotaExceeded,
    "capacity": errors.StoreFull,
}


@pytest.mark.parametrize("step", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("length", [N - 1, N, N + 1])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("rule", REFUSALS)
def test_limit_holds_to_the_byte(rule: str, declared: bool, length: int, step: int) -> None:
    world = world_with(rule, N)
    body = bytes(range(length))
    size = length if declared else None
    if length <= N:
        world.upload(pieces(body, step), size=size)
        world.assert_active(body)
        return
    with pytest.raises(REFUSALS[rule]) as caught:
        world.upload(pieces(body, step), size=size)
    assert caught.value.status == 413
    world.assert_untouched()


@pytest.mark.parametrize("step", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("length", [0, N - 1, N, N + 1])
def test_body_is_as_long_as_declared(length: int, step: int) -> None:
    world = World()
    body = bytes(range(length))
    if length == N:
        world.upload(pieces(body, step), size=N)
        world.assert_active(body)
        return
    with pytest.raises(errors.SizeMismatch):
        world.upload(pieces(body, step), size=N)
    world.assert_untouched()


@pytest.mark.parametrize("rule", REFUSALS)
def test_byte_that_exceeds_is_refused_when_it_comes_and_not_later(rule: str) -> None:
    world = world_with(rule, N)
    with world.begin() as session:
        for _ in range(N):
            session.write(b"x")
        with pytest.raises(REFUSALS[rule]):
            session.write(b"x")
        with pytest.raises(errors.UsageError):
            session.write(b"x")
        with pytest.raises(errors.UsageError):
            session.finish()
    world.assert_untouched()


def test_byte_beyond_the_declared_size_is_refused_when_it_comes() -> None:
    world = World()
    with world.begin(size=N) as session:
        session.write(bytes(N))
        with pytest.raises(errors.SizeMismatch):
            session.write(b"x")
    world.assert_untouched()


class Watched(MemoryDriver):
    """Remembers how many bytes the storage was asked to take."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def _open_writer(self, key, size):  # type: ignore[no-untyped-def]  # signature is the base class's
        writer = super()._open_writer(key, size)
        real = writer._write

        def write(chunk: bytes | memoryview) -> None:
            self.seen += len(chunk)
            real(chunk)

        writer._write = write  # type: ignore[method-assign]  # a spy
        return writer


@pytest.mark.parametrize("step", [1, 1000, GATHER, GATHER + 1, 3 * GATHER])
@pytest.mark.parametrize("rule", ["declared", "largest", "quota"])
def test_store_never_sees_more_than_is_allowed(rule: str, step: int) -> None:
    n, driver = GATHER + 500, Watched()
    settings_ = UploadSettings(max_image_size=n if rule == "largest" else None)
    world = World(driver=driver, limit=n if rule == "quota" else None, settings=settings_)
    with pytest.raises(errors.RequestError):
        world.upload(pieces(bytes(n + 1), step), size=n if rule == "declared" else None)
    assert driver.seen <= n
    assert world.status == "queued"


@pytest.mark.parametrize(("step", "most"), [(1, GATHER // 16), (15, GATHER), (1000, GATHER + 1000)])
def test_law_6_few_bytes_and_few_chunks_wait_for_the_store(step: int, most: int) -> None:
    """A chunk of one byte takes forty of memory while it waits."""
    driver = Watched()
    with World(driver=driver).begin() as session:
        for written in range(step, 3 * GATHER, step):
            session.write(bytes(step))
            assert written - driver.seen < most


def test_zero_is_empty_and_none_is_unknown() -> None:
    for size, chunks in ((0, []), (None, []), (0, [b"", b""]), (None, [b""])):
        world = World()
        assert world.upload(chunks, size=size).size == 0
        world.assert_active(b"")
    world = World()
    with pytest.raises(errors.SizeMismatch):
        world.upload([b"x"], size=0)
    world.assert_untouched()


def test_negative_size_is_the_clients_mistake() -> None:
    world = World()
    with pytest.raises(errors.InvalidRequest):
        world.begin(size=-1)
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
