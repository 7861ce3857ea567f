"""Accounted for: digests are hashlib's for any cut, without copies, in bounded memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstore import errors
from imgstore.transfers import digests as digests_module
from imgstore.transfers.digests import DEFAULT_INLINE, Digests, supported
from imgstore.transfers.session import GATHER
from tests.core.conftest import Host
from tests.core.faults import FaultyTaps
from tests.core.world import MIB, NAMES, World, helpers, pieces

BORDERS = [0, 1, GATHER - 1, GATHER, GATHER + 1, DEFAULT_INLINE - 1, DEFAULT_INLINE, DEFAULT_INLINE + 1, 3 * MIB]


def body_of(length: int) -> bytes:
    pattern = bytes(range(251))
    return (pattern * (length // len(pattern) + 1))[:length]


@pytest.mark.parametrize("length", BORDERS)
@pytest.mark.parametrize("step", [GATHER - 1, GATHER, GATHER + 1, MIB, 4 * MIB])
def test_result_has_the_digests_of_hashlib(length: int, step: int) -> None:
    body, world = body_of(length), World()
    result = world.upload(pieces(body, step))
    assert (result.hash_algo, result.hash_value) == ("sha512", hashlib.sha512(body).hexdigest())
    assert result.checksum == hashlib.md5(body).hexdigest()
    world.assert_active(body)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha3_256", "blake2b", "md5"])
@pytest.mark.parametrize("checksum", [True, False])
def test_algorithm_is_a_setting_and_the_checksum_can_be_turned_off(algorithm: str, checksum: bool) -> None:
    body = body_of(2 * MIB)
    world = World(hash_algo=algorithm, checksum=checksum)
    result = world.upload([body])
    assert (result.hash_algo, result.hash_value) == (algorithm, hashlib.new(algorithm, body).hexdigest())
    assert result.checksum == (hashlib.md5(body).hexdigest() if checksum else None)


@given(cuts=st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=20), inline=st.integers(0, 4000))
@settings(max_examples=60, deadline=None)
def test_any_cut_and_any_kind_of_buffer_give_the_same_digests(cuts: Sequence[tuple[int, bool]], inline: int) -> None:
    body = body_of(sum(length for length, _ in cuts))
    digests = Digests(["sha256", "md5"], window=2000, inline=inline)
    position = 0
    for length, mutable in cuts:
        part = body[position : position + length]
        digests.update(memoryview(bytearray(part)) if mutable else part)
        position += length
    found = digests.hexdigests()
    digests.close()
    assert found == {"sha256": hashlib.sha256(body).hexdigest(), "md5": hashlib.md5(body).hexdigest()}
    assert helpers("digest") == []


@pytest.mark.parametrize("step", [100, GATHER, MIB])
def test_mutable_buffer_is_free_when_write_returns(world: World, step: int) -> None:
    body = body_of(3 * MIB)
    buffer = bytearray(step)
    with world.begin() as session:
        for part in pieces(body, step):
            buffer[: len(part)] = part
            view = memoryview(buffer)[: len(part)]
            session.write(view)
            view.release()
            buffer[:] = b"\xee" * step
        buffer.extend(b"a buffer that somebody still looks at cannot grow")
        result = session.finish()
    assert result.hash_value == hashlib.sha512(body).hexdigest()
    world.assert_active(body)


@pytest.mark.parametrize("algorithm", ["sha512", "md5", "sha256"])
@pytest.mark.parametrize("known", [True, False])
def test_other_bytes_than_the_client_meant_are_undone(host: Host, algorithm: str, known: bool) -> None:
    body, world = body_of(2 * MIB), host()
    meant = hashlib.new(algorithm, body + b"!").hexdigest()
    with pytest.raises(errors.DigestMismatch, match=f"the {algorithm} .*{meant}"):
        world.upload([body], size=len(body) if known else None, expected={algorithm: meant})
    assert world.called("commit") == []
    world.assert_untouched()
    good = host()
    good.upload([body], expected={algorithm.upper(): hashlib.new(algorithm, body).hexdigest().upper()})
    good.assert_active(body)


def test_only_a_digest_that_is_named_costs_more_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = digests_module.new_hash

    def noted(name: str) -> digests_module._Hash:
        made.append(name)
        return real(name)

    monkeypatch.setattr(digests_module, "new_hash", noted)
    for checksum, named, hashed in (
        (True, ("sha512", "md5"), ["md5", "sha512"]), (True, ("sha256",), ["md5", "sha256", "sha512"]),
        (False, (), ["sha512"]), (False, ("md5",), ["md5", "sha512"]),
    ):  # fmt: skip
        made.clear()
        expected = {name: hashlib.new(name, b"data").hexdigest() for name in named}
        result = World(checksum=checksum).upload([b"data"], expected=expected)
        assert made == hashed
        assert (result.checksum is not None) is checksum


def test_refuse_early_what_no_digest_can_be(world: World) -> None:
    for expected in ({"sha512": "ab"}, {"crc32": "12345678"}, {"shake_128": ""}, {"md5": "g" * 32}):
        with pytest.raises(errors.InvalidRequest, match="digest"):
            world.begin(expected=expected)
    assert world.called("open") == []
    world.assert_untouched()


class SpyHash:
    """A hash that remembers the identity of what it gets."""

    chunks: list[bytes | memoryview]

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)

    def update(self, data: bytes | memoryview, /) -> None:
        type(self).chunks.append(data)
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def test_stream_is_seen_once_and_an_immutable_chunk_is_never_copied(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    SpyHash.chunks = []
    monkeypatch.setattr(digests_module, "new_hash", SpyHash)
    tap = FaultyTaps()
    world = host(taps=[tap])
    chunks = [body_of(GATHER), body_of(MIB), body_of(2 * MIB)]
    world.upload(chunks)
    for driver in world.drivers.values():
        assert [id(chunk) for chunk in driver.chunks] == [id(chunk) for chunk in chunks]
    assert sorted(map(id, SpyHash.chunks)) == sorted(map(id, 2 * chunks)), "md5 and sha512 got each object once"
    assert tap.seen == sum(map(len, chunks))
    assert [attempt.stores for attempt in tap.opened] == [world.names]


@pytest.mark.parametrize("step", [1000, MIB])
def test_small_image_starts_no_thread(step: int) -> None:
    world = World()
    with world.begin() as session:
        for part in pieces(body_of(DEFAULT_INLINE), step):
            session.write(part)
            assert helpers("digest") == []
        session.finish()


def test_large_image_has_a_thread_for_each_digest_until_it_ends() -> None:
    world = World()
    with world.begin() as session:
        session.write(body_of(DEFAULT_INLINE + 1))
        assert len(helpers("digest")) == 2
        session.finish()
        assert helpers("digest") == []


@pytest.mark.parametrize("end", ["abort", "refusal", "leave", "error"])
def test_threads_are_given_back_however_it_ends(host: Host, end: str) -> None:
    world = host(limit=9 * MIB)
    session = world.begin()
    session.write(body_of(2 * MIB))
    assert len(helpers("digest")) == 2
    assert len(helpers("store")) == (len(world.names) if len(world.names) > 1 else 0)
    if end == "abort":
        session.abort()
    elif end == "refusal":
        with pytest.raises(errors.QuotaExceeded):
            session.write(body_of(8 * MIB))
    elif end == "leave":
        session.__exit__(None, None, None)
    else:
        session.__exit__(ValueError, ValueError(), None)
    assert helpers() == []
    world.assert_untouched()


class Gate:
    """A hash that waits in `update` until it is let through, and tells what it was given."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.read = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self.entered.set()
        assert self.opened.wait(30)
        self.read += len(data)

    def hexdigest(self) -> str:
        return str(self.read)


def test_window_bounds_what_waits_for_a_slow_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hash blocked, exactly the chunks that fit into the window are taken; the next one waits."""
    gate = Gate()
    monkeypatch.setattr(digests_module, "new_hash", lambda name: gate)
    digests = Digests(["sha256"], window=1000, inline=0)
    taken: list[int] = []
    sixth_waits = threading.Event()
    real_wait = digests_module._Lane._wait_until

    def told(lane: digests_module._Lane, waiting: int) -> None:
        sixth_waits.set()
        real_wait(lane, waiting)

    monkeypatch.setattr(digests_module._Lane, "_wait_until", told)

    def feed() -> None:
        for number in range(10):
            digests.update(bytes(200))
            taken.append(number)

    feeder = threading.Thread(target=feed, name="feeder")
    feeder.start()
    assert gate.entered.wait(30)
    assert sixth_waits.wait(30)
    assert taken == [0, 1, 2, 3, 4], "1000 bytes are the window, the chunk being hashed among them"
    gate.opened.set()
    feeder.join()
    assert digests.hexdigests() == {"sha256": "2000"}
    digests.close()


def test_chunk_larger_than_the_window_waits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(digests_module, "new_hash", lambda name: gate)
    digests = Digests(["sha256"], window=10, inline=0)
    digests.update(bytes(500))
    assert gate.entered.wait(30)
    second = threading.Thread(target=digests.update, args=(bytes(500),))
    second.start()
    gate.opened.set()
    second.join()
    assert digests.hexdigests() == {"sha256": "1000"}
    digests.close()
    assert helpers("digest") == []


class Broken:
    """A hash that fails at its second chunk."""

    def __init__(self) -> None:
        self.calls = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self.calls += 1
        if self.calls > 1:
            raise MemoryError("no room for a digest")

    def hexdigest(self) -> str:
        return ""


def test_failing_digest_surfaces_and_everything_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with monkeypatch.context() as patched:
        patched.setattr(digests_module, "new_hash", lambda name: Broken())
        with pytest.raises(errors.ImgstoreError) as caught:
            world.upload([body_of(MIB), body_of(MIB), body_of(MIB)])
    assert isinstance(caught.value.__cause__, MemoryError)
    assert caught.value.status == 500
    world.assert_untouched()


@pytest.mark.parametrize("kind", ["digest", "store"])
def test_thread_that_cannot_start_leaves_no_other_behind(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    real = threading.Thread.start

    def start(self: threading.Thread) -> None:
        if self.name.startswith(f"imgstore-{kind}"):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(self.name)
        real(self)

    world = World(*NAMES)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(errors.ImgstoreError):
            world.upload([body_of(2 * MIB)])
    assert len(started) == 1
    world.assert_untouched()


def test_only_digests_of_fixed_length_are_supported() -> None:
    assert all(supported(name) for name in ("md5", "sha256", "sha512", "sha3_512", "blake2b"))
    assert not any(supported(name) for name in ("shake_128", "shake_256", "crc32", "", "SHA512 "))
