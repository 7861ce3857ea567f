"""Each request of each operation fails in turn, and nothing comes of it but one right error (laws "undone", "right
blame" and "never end short").

For drivers whose subject names a `server`. An operation may succeed all the same, since drivers try again; then it is
done. If it fails, it left nothing, or what it left is told and can be removed, and the next try succeeds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import pytest

from imgstore import errors
from imgstore.driver.base import ObjectWriter, StoreDriver
from imgstore.driver.capabilities import CopiesObjects, ListsObjects
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.breaking import Interrupter, Outcome, clear
from imgstore.testing.faults import Fault, Reset
from imgstore.testing.faults.exchange import Broken, Exchange
from imgstore.testing.telling import Laws

T = TypeVar("T")

PATIENCE, PAUSE = 5.0, 0.02


class Upload:
    """An upload of `data` under KEY, from the beginning to the commit."""

    def __init__(self, driver: StoreDriver, data: bytes, step: int) -> None:
        self._driver, self._data, self._step = driver, data, step
        self.writer: ObjectWriter | None = None

    def __call__(self) -> None:
        with self._driver.open_writer(KEY, size=len(self._data)) as self.writer:
            for piece in pieces(self._data, self._step):
                self.writer.write(piece)
            self.writer.commit()


class Abort:
    """The abort of an upload under KEY that has got `data`."""

    def __init__(self, driver: StoreDriver, data: bytes, step: int) -> None:
        self.writer = driver.open_writer(KEY)
        for piece in pieces(data, step):
            self.writer.write(piece)

    def __call__(self) -> None:
        self.writer.abort()


class Read:
    """A read of KEY; `got` are the bytes so far."""

    def __init__(self, driver: StoreDriver, start: int, stop: int | None) -> None:
        self._driver, self._start, self._stop = driver, start, stop
        self.got = b""

    def __call__(self) -> None:
        with self._driver.open_reader(KEY, start=self._start, stop=self._stop) as reader:
            for chunk in reader:
                self.got += chunk


class Ask(Generic[T]):
    """Whatever is one call; `answer` is what it returned."""

    def __init__(self, driver: StoreDriver, call: Callable[[StoreDriver], T]) -> None:
        self._ask = partial(call, driver)
        self.answer: T | None = None

    def __call__(self) -> None:
        self.answer = self._ask()


SMALL = body(13)


def parts(bench: Bench) -> bytes:
    """A body in two parts, of which none is small: a cut is in the middle of each."""
    return body(bench.subject.largest * 3 // 2)


def expect_clean(bench: Bench, story: str) -> None:
    """The storage soon has exactly what was committed."""
    end = time.monotonic() + bench.subject.arrives_within + PATIENCE
    while (found := bench.subject.inventory()) != set(bench.committed):
        if time.monotonic() > end:
            wrong = sorted(found ^ set(bench.committed))
            pytest.fail(f"{wrong} is wrong in the storage, and the driver did not say so, where {story}")
        time.sleep(PAUSE)


def expect_written(bench: Bench, outcome: Outcome[Upload], data: bytes) -> None:
    """The object is there, whole, and is removed again; if not, nothing is, and the next one can be written."""
    if outcome.error is not None:
        if outcome.act.writer is not None and outcome.act.writer.left_behind:
            clear(bench)
        expect_clean(bench, outcome.story)
        data = SMALL
        try_again(Upload(outcome.again, data, bench.subject.largest), outcome.story)
    expect_whole(bench, outcome.story, data)


def try_again(act: Callable[[], T], story: str) -> T:
    """The next try, which nothing breaks; returns what it does."""
    try:
        return act()
    except errors.ImgstoreError as error:
        told = f"{type(error).__name__} ({error.message})"
        raise pytest.fail.Exception(f"The next try ended with {told}, where {story}") from error


def expect_whole(bench: Bench, story: str, data: bytes, key: str = KEY) -> None:
    """A driver that no fault reaches reads all of the object, which is removed again, and nothing else is left."""
    bench.committed[key] = data
    expect_clean(bench, story)
    expect_reads(bench, story, data, key)
    bench.other.delete(key)
    del bench.committed[key]


def expect_reads(bench: Bench, story: str, data: bytes, key: str = KEY) -> None:
    """A driver that no fault reaches reads all of the object."""
    with bench.other.open_reader(key) as reader:
        assert b"".join(reader) == data, f"the object has other bytes, where {story}"


class InterruptedLaws(Laws):
    """Every request broken in turn."""

    READ = "Storages behind a network"

    def test_broken_upload_is_whole_or_undone(self, bench: Bench) -> None:
        breaker = Interrupter(bench)
        for data in (body(bench.subject.largest // 2), parts(bench)):
            for outcome in breaker.outcomes(partial(Upload, data=data, step=bench.subject.largest)):
                expect_written(bench, outcome, data)

    def test_broken_abort_removes_all_or_says_so(self, bench: Bench) -> None:
        make = partial(Abort, data=parts(bench), step=bench.subject.largest)
        for outcome in Interrupter(bench).outcomes(make, asks=False):
            if outcome.error is not None:
                clear(bench)
            expect_clean(bench, outcome.story)

    def test_broken_delete_removes_the_object_or_leaves_it_whole(self, bench: Bench) -> None:
        data = parts(bench)

        def make(driver: StoreDriver) -> Ask[None]:
            bench.put(data, step=len(data))
            return Ask(driver, lambda driver: driver.delete(KEY))

        for outcome in Interrupter(bench).outcomes(make):
            if outcome.error is not None and bench.exists(bench.other, KEY):
                expect_reads(bench, outcome.story, data)
                try_again(partial(outcome.again.delete, KEY), outcome.story)
            del bench.committed[KEY]
            if outcome.error is not None:
                clear(bench)
            expect_clean(bench, outcome.story)

    def test_broken_read_ends_whole_or_with_an_error(self, bench: Bench) -> None:
        data, breaker = parts(bench), Interrupter(bench)
        bench.put(data, step=len(data))
        for start, stop in ((0, None), (10, bench.subject.largest // 2)):
            for outcome in breaker.outcomes(partial(Read, start=start, stop=stop)):
                wanted = data[start:stop]
                assert wanted.startswith(outcome.act.got), f"a read has wrong bytes, where {outcome.story}"
                again = outcome.act if outcome.error is None else Read(outcome.again, start, stop)
                if outcome.error is not None:
                    try_again(again, outcome.story)
                told = f"{len(again.got)} of {len(wanted)} bytes"
                assert len(again.got) == len(wanted), f"a read ended after {told}, where {outcome.story}"

    def test_broken_read_is_never_resumed_at_another_object(self, bench: Bench) -> None:
        breaker = Interrupter(bench)
        if breaker.server is None:
            return
        bodies = parts(bench), parts(bench)[::-1]
        bench.put(bodies[0], step=len(bodies[0]))
        sent = [seen.sent for seen in breaker.requests_of(Read(breaker.patient, 0, None))]
        for number in (number for number, count in enumerate(sent) if count > 1):
            replace = Replace(partial(replaced, bench, bodies[1]), after=min(filter(None, sent)) // 2)
            got, ended = read_meanwhile(breaker, replace, number)
            one = next((data for data in bodies if data.startswith(got)), None)
            assert one is not None, "a read has bytes of one object, and of another that replaced it"
            assert not ended or got == one, f"a read ended after {len(got)} of {len(one)} bytes"
            replaced(bench, bodies[0])

    def test_broken_question_is_answered_right_or_not_at_all(self, bench: Bench) -> None:
        data, breaker = parts(bench), Interrupter(bench)
        bench.put(data, step=len(data))
        expect_answers(breaker, lambda driver: driver.stat(KEY).size, len(data), new_driver=True)
        if isinstance(bench.driver, ListsObjects):
            expect_answers(breaker, sizes, {KEY: len(data)})

    def test_broken_copy_is_whole_or_undone(self, bench: Bench) -> None:
        if not isinstance(bench.driver, CopiesObjects):
            return
        bench.put(SMALL)
        for outcome in Interrupter(bench).outcomes(partial(Ask, call=copy)):
            if outcome.error is not None:
                if outcome.error.left_behind:
                    clear(bench, KEYS[0])
                expect_clean(bench, outcome.story)
                try_again(partial(copy, outcome.again), outcome.story)
            expect_whole(bench, outcome.story, SMALL, KEYS[0])

    def test_every_request_passes_the_proxy(self, bench: Bench) -> None:
        breaker = Interrupter(bench)
        if breaker.server is None:
            return
        bench.put(SMALL)
        driver = breaker.patient
        assert driver.stat(KEY).size == 13
        breaker.proxy.on(Reset(), times=None)
        for ask in (driver.stat, driver.delete, lambda key: driver.open_reader(key).read()):
            with bench.refuses(errors.StoreUnavailable):
                ask(KEY)
        breaker.proxy.heal()
        bench.assert_holds(SMALL)


def replaced(bench: Bench, data: bytes) -> None:
    """Another object has KEY, past the proxy."""
    bench.other.delete(KEY)
    with bench.other.open_writer(KEY) as writer:
        writer.write(data)
        writer.commit()
    bench.committed[KEY] = data


class Replace(Fault):
    """When `after` bytes of an answer's body were sent, `replace` is called, and the answer breaks off."""

    def __init__(self, replace: Callable[[], None], *, after: int) -> None:
        self._replace, self._after = replace, after

    def apply(self, exchange: Exchange) -> None:
        """Only once: who reads on meets the other object."""
        exchange.answer_body.at(self._after, self._break)

    def _break(self) -> None:
        self._replace()
        raise Broken(reset=False)


def read_meanwhile(breaker: Interrupter, fault: Fault, number: int) -> tuple[bytes, bool]:
    """What a read gets whose request of that number has the fault, and whether it came to its end."""
    act, ended = Read(breaker.patient, 0, None), False
    breaker.proxy.on(fault, skip=number)
    with contextlib.suppress(errors.StoreError):
        act()
        ended = True
    breaker.proxy.wait_until_idle()
    breaker.proxy.heal()
    return act.got, ended


def copy(driver: StoreDriver) -> None:
    """The object under KEY, under another one too."""
    assert isinstance(driver, CopiesObjects)
    driver.copy(KEY, KEYS[0])


def sizes(driver: StoreDriver) -> dict[str, int]:
    """What a driver lists."""
    assert isinstance(driver, ListsObjects)
    return {info.key: info.size for info in driver.objects()}


def expect_answers(
    breaker: Interrupter, ask: Callable[[StoreDriver], T], right: T, *, new_driver: bool = False
) -> None:
    """The answer is right, or it is an error and the next one is right."""
    for outcome in breaker.outcomes(partial(Ask[T], call=ask), new_driver=new_driver):
        told = outcome.act.answer if outcome.error is None else try_again(partial(ask, outcome.again), outcome.story)
        assert told == right, f"{told} was told instead of {right}, where {outcome.story}"
