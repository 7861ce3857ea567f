"""The laws and the facts, each as a function of the ground: what it returns was found, by doing it.

A law that does not hold raises Broken, or one of the library's errors. One that cannot be tried raises NotApplicable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from imgstore import errors
from imgstore.driver.base import ObjectWriter
from imgstore.driver.capabilities import ClearsLeftovers
from imgstore.proving.ground import FEW_TRIES, Broken, Ground, NotApplicable, body, eventually

SMALL = 1000
RACERS, ROUNDS = 4, 2
STALLED = 60.0
"""Seconds after which a racer does not wait for the others."""


def refused(kind: type[errors.ImgstoreError], action: Callable[[], object], otherwise: str) -> None:
    """Raises Broken unless `action` raises this error."""
    try:
        action()
    except kind:
        return
    raise Broken(otherwise)


def reads_back(ground: Ground) -> str:
    """Empty, of one byte, with a length that is not known beforehand."""
    for size, declared in ((0, True), (1, True), (SMALL, True), (SMALL, False)):
        key = ground.new_key()
        ground.put(body(size), key, declared=declared)
        ground.expect_same(key, body(size))
    return f"objects of 0, 1 and {SMALL} bytes, the length known or not"


def reads_back_parts(ground: Ground) -> str:
    """The length known and not."""
    data = ground.large()
    for declared in (True, False):
        key = ground.new_key()
        ground.put(data, key, declared=declared)
        ground.expect_same(key, data)
    return f"a part of {ground.border} bytes and a last one of 7"


def is_atomic(ground: Ground) -> str:
    """With a part in the storage, no object is there."""
    key = ground.new_key()
    with ground.unfinished(key) as writer:
        if ground.exists(key):
            raise Broken("stat finds an object that is not committed")
        writer.commit()
    if not ground.exists(key):
        raise Broken("stat does not find an object that was committed")
    return "stat finds nothing before the commit"


def is_exact(ground: Ground) -> str:
    """A byte too few, a byte too many; then a good retry under the same key."""
    key = ground.new_key()

    def commit(size: int) -> None:
        with ground.driver.open_writer(key, size=SMALL) as writer:
            ground.fill(writer, body(size))
            writer.commit()

    for size in (SMALL - 1, SMALL + 1):
        refused(errors.SizeMismatch, partial(commit, size), f"{size} bytes were taken for {SMALL}")
    if ground.exists(key):
        raise Broken("a refused upload left an object")
    commit(SMALL)
    ground.expect_same(key, body(SMALL))
    return "a byte less and a byte more than declared are refused, and a retry works"


def is_exclusive(ground: Ground) -> str:
    """Two uploads under one key, one after the other. The second, both small and in parts, is refused."""
    for data in (body(SMALL), ground.large()):
        key = ground.new_key()
        with ground.driver.open_writer(key) as second:
            ground.fill(second, data)
            ground.put(body(SMALL, 1), key)
            refused(errors.ObjectExists, second.commit, f"an upload of {len(data)} bytes replaced an object")
        ground.expect_same(key, body(SMALL, 1))
    return "the second of two uploads is refused, small or in parts"


def race(ground: Ground) -> str:
    """Several uploads commit at once. The object is one of those that were told that they had won."""
    counts = [_race(ground) for _ in range(ROUNDS)]
    return f"{', '.join(map(str, counts))} of {RACERS} were told that they had won"


def _race(ground: Ground) -> int:
    key, gate = ground.new_key(), threading.Barrier(RACERS)
    writers = [ground.begin(key, body(SMALL, seed)) for seed in range(RACERS)]

    def won(writer: ObjectWriter) -> bool:
        gate.wait(STALLED)
        try:
            writer.commit()
        except (errors.ObjectExists, errors.StoreUnavailable):
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        results = list(pool.map(won, writers))
    winners = [body(SMALL, seed) for seed, result in enumerate(results) if result]
    if not winners or ground.read(key) not in winners:
        raise Broken("the object is not that of an upload that was told that it had won")
    return len(winners)


def is_undone(ground: Ground) -> str:
    """An upload in parts is aborted. A retry under its key works."""
    key = ground.new_key()
    with ground.unfinished(key):
        pass
    if ground.exists(key):
        raise Broken("stat finds an object that was aborted")
    gone = eventually(lambda: not ground.leftovers(key))
    if not gone:
        raise Broken(f"leftovers are listed: {ground.leftovers(key)[0].reason}")
    ground.put(body(SMALL), key)
    ground.expect_same(key, body(SMALL))
    return f"its parts are gone {gone}, and a retry works"


def lists_uploads(ground: Ground) -> str:
    """What a purge sees of an upload under way."""
    key = ground.new_key()
    with ground.unfinished(key):
        when = eventually(lambda: bool(ground.leftovers(key)), tries=FEW_TRIES)
        found = ground.leftovers(key) if when else []
    return f"yes: {found[0].reason}" if found else "no: one under way is told from a leftover, or leaves none"


def clears(ground: Ground) -> str:
    """What recovery does with the leftovers of a process that died."""
    if not isinstance(ground.driver, ClearsLeftovers):
        raise NotApplicable("the driver clears no leftovers by key")
    driver, key = ground.driver, ground.new_key()

    def is_clear() -> bool:
        driver.clear_leftovers(key)
        return not ground.leftovers(key)

    with ground.unfinished(key):
        cleared = eventually(is_clear)
    if not cleared:
        raise Broken("leftovers are listed after they were cleared")
    return f"by the key alone, {cleared}"


def reads_ranges(ground: Ground) -> str:
    """Inside, across a border, empty, to the end."""
    key, data = ground.new_key(), ground.large()
    ground.put(data, key)
    border = ground.border
    for start, stop in ((0, 1), (1, 8), (border - 4, border + 4), (border, None), (len(data), None), (5, 5)):
        if ground.read(key, start=start, stop=stop) != data[start:stop]:
            raise Broken(f"bytes {start} to {'the end' if stop is None else stop} are others than were written")
    beyond = len(data) + 1
    refused(errors.RangeNotSatisfiable, lambda: ground.read(key, start=beyond), "a range beyond the end is not refused")
    return "also across parts; one beyond the end is refused"


def pins_reads(ground: Ground) -> str:
    """A read that goes on with another object under the key would mix two images."""
    key = ground.new_key()
    committed, first = ground.put(body(SMALL), key).etag, ground.driver.stat(key).etag
    if first is None:
        raise NotApplicable("objects have no etag: a broken download cannot be resumed")
    if committed not in (None, first):
        raise Broken("commit and stat tell different etags")
    ground.driver.delete(key)
    ground.put(body(SMALL, 1), key)
    if ground.driver.stat(key).etag == first:
        raise Broken("another object under the key has the same etag")
    refused(errors.ObjectChanged, lambda: ground.read(key, etag=first), "a read with the etag of another object works")
    return "another object under the key has another etag, and is refused to a pinned read"


def lists_written(ground: Ground) -> str:
    """As soon as it is committed."""
    key = ground.new_key()
    ground.put(body(SMALL), key)
    when = eventually(lambda: ground.is_listed(key))
    if not when:
        raise Broken("a listing does not name an object that was committed")
    return when


def forgets_deleted(ground: Ground) -> str:
    """As soon as it is deleted, for a look, a read and another deletion."""
    key, driver = ground.new_key(), ground.driver
    ground.put(body(SMALL), key)
    driver.delete(key)
    actions: dict[str, Callable[[str], object]] = {
        "stat": driver.stat, "open_reader": driver.open_reader, "delete": driver.delete,
    }  # fmt: skip
    for name, action in actions.items():
        refused(errors.ObjectNotFound, partial(action, key), f"{name} finds a deleted object")
    return "at once, for stat, open_reader and delete"


def unlists_deleted(ground: Ground) -> str:
    """As soon as it is deleted."""
    key = ground.new_key()
    ground.put(body(SMALL), key)
    ground.driver.delete(key)
    when = eventually(lambda: not ground.is_listed(key))
    if not when:
        raise Broken("a listing names an object that was deleted")
    return when
