"""Many threads on one driver: writers of different keys, readers of one object, and a race for one key.

What is demanded of a race. Real servers do not keep their conditional writes under a race, so the library never rests
on them: every attempt at an image writes under a key of its own. Therefore two racers may both be told that
they won, but of every driver it is demanded that at least one wins, that the object which is there afterwards is whole
and is that of a racer whose commit succeeded, and that no loser's failure or abort removes it. Where the storage
creates exclusively and atomically (`link`, O_EXCL, a lock), its driver adopts `AtomicCreation` too: exactly one wins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from imgstore import errors
from imgstore.driver.base import ObjectWriter
from imgstore.model import ObjectInfo
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces, same
from imgstore.testing.telling import Laws

RACERS = 4
CHECKS = 3
ROUNDS = 4
STALLED = 60.0  # seconds, after which a test that hangs fails

Result = TypeVar("Result")


def at_once(jobs: Sequence[Callable[[], Result]]) -> list[Result | errors.ImgstoreError]:
    """Runs every job on a thread of its own, all released together; what each returned or was refused with."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], Result]) -> Result | errors.ImgstoreError:
        gate.wait(STALLED)
        try:
            return job()
        except errors.ImgstoreError as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def race(bench: Bench, key: str) -> list[bytes]:
    """Racers write different bodies under one key, side by side, and commit at once; the bodies of those that won."""
    bodies = [body(3000 + seed, seed) for seed in range(RACERS)]
    writers = [bench.open().open_writer(key) for _ in bodies]

    def finish(writer: ObjectWriter, data: bytes) -> ObjectInfo:
        with writer:
            writer.write(data[1500:])
            return writer.commit()

    for writer, data in zip(writers, bodies, strict=True):
        writer.write(data[:1500])
    results = at_once([partial(finish, *pair) for pair in zip(writers, bodies, strict=True)])
    for result in results:
        assert isinstance(result, (ObjectInfo, errors.ObjectExists, errors.StoreUnavailable)), result
    return [data for data, result in zip(bodies, results, strict=True) if isinstance(result, ObjectInfo)]


class ConcurrencyLaws(Laws):
    """What threads may do to each other: nothing."""

    def test_writers_of_different_keys_do_not_meet(self, bench: Bench) -> None:
        bodies = {key: body(max(bench.subject.borders) + seed, seed) for seed, key in enumerate(KEYS[:RACERS])}
        for result in at_once([partial(bench.put, data, key, step=1000) for key, data in bodies.items()]):
            assert isinstance(result, ObjectInfo), result
        bench.assert_all_hold()

    def test_interleaved_writers_do_not_mix(self, bench: Bench) -> None:
        data, step = bench.large(), bench.subject.largest // 3
        with bench.driver.open_writer(KEYS[0]) as left, bench.driver.open_writer(KEYS[1]) as right:
            for piece in pieces(data, step):
                left.write(piece)
                right.write(piece[::-1])
            left.commit()
            right.commit()
        bench.committed[KEYS[0]] = data
        bench.committed[KEYS[1]] = b"".join(piece[::-1] for piece in pieces(data, step))
        bench.assert_all_hold()

    def test_race_for_one_key_leaves_one_whole_object(self, bench: Bench) -> None:
        for number in range(ROUNDS):
            key = f"{KEY}-{number}"
            winners = race(bench, key)
            assert winners, "nobody won"
            with bench.other.open_reader(key) as reader:
                found = b"".join(reader)
            assert found in winners, "the object is not that of a racer whose commit succeeded"
            bench.committed[key] = found
            bench.assert_clean()
        bench.assert_all_hold()

    def test_readers_of_one_object_do_not_meet(self, bench: Bench) -> None:
        data = body(max(bench.subject.borders) * 2)
        bench.put(data)

        def read_from(start: int) -> bytes:
            with bench.driver.open_reader(KEY, start=start) as reader:
                return b"".join(iter(lambda: reader.read(999), b""))

        starts = [0, 1, len(data) // 2, len(data) - 1]
        for start, found in zip(starts, at_once([partial(read_from, at) for at in starts]), strict=True):
            assert isinstance(found, bytes), found
            assert same(found, data[start:])

    def test_checks_side_by_side_pass(self, bench: Bench) -> None:
        """As those of several processes, each of which looks after the store's health."""
        checks = [bench.open().check for _ in range(CHECKS)]
        for result in (*at_once(checks), *at_once(checks)):
            assert result is None, f"a check beside others failed: {result}"
        bench.assert_clean()


class AtomicCreation(Laws):
    """For storages that create atomically: adopt it beside `DriverContract`. A promise more, not a test less."""

    def test_race_for_one_key_has_exactly_one_winner(self, bench: Bench) -> None:
        for number in range(ROUNDS):
            key = f"{KEY}-{number}"
            winners = race(bench, key)
            assert len(winners) == 1, f"{len(winners)} racers were told that they had won"
            bench.committed[key] = winners[0]
        bench.assert_all_hold()
