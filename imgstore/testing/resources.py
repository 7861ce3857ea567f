"""What a driver holds of its process: threads and descriptors are returned; construction takes nothing at all."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import tracemalloc
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import CopiesObjects
from imgstore.driver.options import strays
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.failures import optional_actions
from imgstore.testing.parts import PARTS
from imgstore.testing.subject import SMALLEST_BORDER
from imgstore.testing.telling import Laws

FEW = 2
MANY = 6


def descriptors() -> set[str]:
    """This process's open descriptors, by number."""
    return set(os.listdir("/dev/fd"))


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Inside, the collector of garbage closes nothing: what is closed was closed by the driver."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def a_days_work(bench: Bench, driver: StoreDriver) -> None:
    """Uploads that end in every way, downloads that end in every way."""
    data = body(max(bench.subject.borders) * 2 + 1)
    driver.open_writer(KEY, size=1).abort()
    with driver.open_writer(KEY) as aborted:
        aborted.write(data)
    with driver.open_writer(KEY, size=len(data)) as writer:
        for piece in pieces(data, max(bench.subject.borders)):
            writer.write(piece)
        writer.commit()
    for start, stop in ((0, None), (5, 5), (len(data), None)):
        with driver.open_reader(KEY, start=start, stop=stop) as reader:
            b"".join(reader)
    driver.open_reader(KEY).close()
    with driver.open_reader(KEY) as early:
        early.read(1)
    driver.delete(KEY)


def other_work(driver: StoreDriver) -> None:
    """What a service does now and then."""
    driver.check()
    if isinstance(driver, CopiesObjects):
        with driver.open_writer(KEYS[0], size=13) as writer:
            writer.write(body(13))
            writer.commit()
        driver.copy(KEYS[0], KEYS[1])
        driver.delete(KEYS[1])
        driver.delete(KEYS[0])
    for listing in optional_actions(driver):
        listing()


def through(driver: StoreDriver, piece: bytes, times: int) -> int:
    """Writes so many pieces under KEY and reads them all. The most bytes that were allocated, by any thread."""
    tracemalloc.start()
    try:
        with driver.open_writer(KEY) as writer:
            for _ in range(times):
                writer.write(memoryview(piece))
            writer.commit()
        with driver.open_reader(KEY) as reader:
            while reader.read(len(piece)):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class ResourceLaws(Laws):
    """Before and after."""

    READ = "Storages behind a network"

    def test_threads_are_returned(self, bench: Bench) -> None:
        before = set(threading.enumerate())
        driver = bench.unclosed()
        a_days_work(bench, driver)
        other_work(driver)
        driver.close()
        left = sorted(thread.name for thread in set(threading.enumerate()) - before)
        assert not left, f"a thread outlived its driver (or is of a server in this process): {', '.join(left)}"

    def test_descriptors_are_returned(self, bench: Bench) -> None:
        with no_collector():
            before = descriptors()
            driver = bench.unclosed()
            a_days_work(bench, driver)
            other_work(driver)
            driver.close()
            assert len(descriptors()) <= len(before), "a descriptor outlived its driver: close what it opened"

    def test_driver_at_work_does_not_gather_threads_and_descriptors(self, bench: Bench) -> None:
        def held_after(rounds: int) -> tuple[int, int]:
            for _ in range(rounds):
                a_days_work(bench, bench.driver)
            return threading.active_count(), len(descriptors())

        threads, files = held_after(FEW)
        later_threads, later_files = held_after(MANY)
        # A pool may still fill. What each round leaves is at least as many as there were rounds.
        assert later_threads < threads + MANY, "every object costs a thread that is not returned"
        assert later_files < files + MANY, "every object costs a descriptor that is not returned"

    def test_refused_open_returns_its_descriptors(self, bench: Bench) -> None:
        bench.put(body(13))
        another = f"{bench.driver.stat(KEY).etag}-another"
        before = len(descriptors())
        for start, stop, etag in ((99, None, None), (0, 99, None), (0, None, another)):
            with bench.refuses(errors.RangeNotSatisfiable, errors.ObjectChanged):
                bench.driver.open_reader(KEY, start=start, stop=stop, etag=etag)
        assert len(descriptors()) <= before, "a refused read keeps its descriptor"

    def test_construction_does_no_input_or_output(self, bench: Bench) -> None:
        files, threads = len(descriptors()), threading.active_count()
        driver = bench.subject.broken()
        assert len(descriptors()) <= files, "construction opens something"
        assert threading.active_count() <= threads, "construction starts a thread"
        assert repr(driver)
        assert driver.key_from_url(driver.url(KEY)) == KEY
        driver.close()

    def test_options_are_the_parameters(self, bench: Bench) -> None:
        driver = type(bench.driver)
        assert strays(driver) == set(), "OPTIONS are exactly the keyword parameters of __init__"
        assert all(option.help for option in driver.OPTIONS), "every option explains itself to the operator"

    def test_memory_is_what_the_formula_says(self, bench: Bench) -> None:
        piece = body(SMALLEST_BORDER * 4)
        times = bench.subject.largest * PARTS // len(piece) + 1
        most = bench.subject.memory(len(piece) * times)
        if most is None:
            return
        with contextlib.closing(bench.subject.open()) as driver:
            peak = through(driver, piece, times)
        bench.committed[KEY] = piece * times
        assert peak <= most, f"{peak} bytes were allocated for {len(piece) * times}; by `memory` it is at most {most}"
