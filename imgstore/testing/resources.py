"""What a driver holds of its process: threads and descriptors are returned; construction takes nothing at all."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import CopiesObjects
from imgstore.driver.options import strays
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces
from imgstore.testing.failures import optional_actions
from imgstore.testing.telling import Laws

T = TypeVar("T")

FEW = 2
MANY = 6
TRIES = 3
A_MOMENT, PAUSE = 0.5, 0.02


def threads() -> set[threading.Thread]:
    """This process's threads."""
    return set(threading.enumerate())


def descriptors() -> set[str]:
    """This process's open descriptors, by number."""
    return set(os.listdir("/dev/fd"))


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Inside, the collector of garbage closes nothing: what is closed was closed by the driver."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def keeps(work: Callable[[], object], held: Callable[[], set[T]], *, times: int = 1) -> bool:
    """Whether so many times `work` keep as many of what is `held`, whenever that is done.

    What is kept once is no leak: a pool fills up, a library starts the thread that serves all who use it.
    """
    for _ in range(TRIES):
        known, before = threads(), len(held())
        for _ in range(times):
            work()
        if len(held()) >= before + times:
            await_end(known)
        if len(held()) < before + times:
            return False
    return True


def await_end(known: set[threading.Thread]) -> None:
    """Returns when no other threads run, or after a moment: a request that was cut off ends on a thread of its own."""
    end = time.monotonic() + A_MOMENT
    while threads() - known and time.monotonic() < end:
        time.sleep(PAUSE)


def surroundings() -> dict[str, object]:
    """What is the whole process's, by what it is called."""
    root, umask = logging.getLogger(), os.umask(0)
    os.umask(umask)
    return {
        "the working directory": os.getcwd(),
        "the umask": umask,
        "the environment": dict(os.environ),
        "the default timeout of sockets": socket.getdefaulttimeout(),
        "the root logger": (root.level, root.disabled, list(root.handlers), logging.root.manager.disable),
        "the handlers of signals": [signal.getsignal(each) for each in signal.valid_signals()],
    }


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


def a_life(bench: Bench) -> None:
    """A driver is opened, does everything, and is closed."""
    with contextlib.closing(bench.unclosed()) as driver:
        a_days_work(bench, driver)
        other_work(driver)


class ResourceLaws(Laws):
    """Before and after."""

    READ = "Storages behind a network"

    def test_threads_are_returned(self, bench: Bench) -> None:
        known = threads()
        outlived = keeps(partial(a_life, bench), threads)
        names = ", ".join(sorted(thread.name for thread in threads() - known))
        assert not outlived, f"a thread outlived its driver (or is of a server in this process): {names}"

    def test_descriptors_are_returned(self, bench: Bench) -> None:
        with no_collector():
            outlived = keeps(partial(a_life, bench), descriptors)
        assert not outlived, "a descriptor outlived its driver: close what it opened"

    def test_temporary_files_are_returned(self, bench: Bench) -> None:
        with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", directory)
            outlived = keeps(partial(a_life, bench), lambda: set(os.listdir(directory)))
            left = ", ".join(os.listdir(directory))
        assert not outlived, f"a temporary file outlived its driver: {left}"

    def test_driver_changes_nothing_of_its_process(self, bench: Bench) -> None:
        before = surroundings()
        a_life(bench)
        changed = [name for name, value in surroundings().items() if value != before[name]]
        assert not changed, f"the driver changed what is the whole process's: {', '.join(changed)}"

    def test_driver_at_work_does_not_gather_threads_and_descriptors(self, bench: Bench) -> None:
        work = partial(a_days_work, bench, bench.driver)
        with no_collector():
            gathers = keeps(work, lambda: {*threads(), *descriptors()}, times=MANY)
        assert not gathers, "every object costs a thread or a descriptor that is not returned"

    def test_refused_open_returns_its_descriptors(self, bench: Bench) -> None:
        bench.put(body(13))
        another = f"{bench.driver.stat(KEY).etag}-another"

        def refused() -> None:
            for missing in (bench.driver.stat, bench.driver.open_reader, bench.driver.delete):
                with bench.refuses(errors.ObjectNotFound):
                    missing(KEYS[0])
            with bench.refuses(errors.ObjectExists), bench.driver.open_writer(KEY) as writer:
                writer.commit()
            for start, stop, etag in ((99, None, None), (0, 99, None), (0, None, another)):
                with bench.refuses(errors.RangeNotSatisfiable, errors.ObjectChanged):
                    bench.driver.open_reader(KEY, start=start, stop=stop, etag=etag)

        with no_collector():
            kept = keeps(refused, descriptors)
        assert not kept, "what is refused, since an object is missing, is there, or is another, keeps a descriptor"

    def test_construction_does_no_input_or_output(self, bench: Bench) -> None:
        assert not keeps(bench.broken, descriptors), "construction opens something"
        assert not keeps(bench.broken, threads), "construction starts a thread"
        driver = bench.broken()
        assert repr(driver)
        assert driver.key_from_url(driver.url(KEY)) == KEY

    def test_options_are_the_parameters(self, bench: Bench) -> None:
        driver = type(bench.driver)
        assert strays(driver) == set(), "OPTIONS are exactly the keyword parameters of __init__"
        assert all(option.help for option in driver.OPTIONS), "every option explains itself to the operator"
