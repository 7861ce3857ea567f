"""A copy inside the store: exclusive, independent of its source, all or nothing. For drivers with `CopiesObjects`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import CopiesObjects
from imgstore.model import ObjectInfo
from imgstore.testing.bench import KEY, KEYS, Bench, body
from imgstore.testing.concurrency import at_once
from imgstore.testing.parts import PARTS
from imgstore.testing.telling import Laws

TIMES = 3


class CopyLaws(Laws):
    """What `copy` promises beyond a writer's commit."""

    READ = "Capabilities"

    def test_copy_is_an_object_of_its_own(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, CopiesObjects):
            return
        for number, data in enumerate((b"", body(13), body(bench.subject.largest * PARTS + 7))):
            bench.put(data, KEY)
            info = driver.copy(KEY, KEYS[number])
            bench.committed[KEYS[number]] = data
            assert (info.key, info.size) == (KEYS[number], len(data)), "copy tells another object"
            assert info.etag in (None, bench.other.stat(KEYS[number]).etag), "copy and stat tell different etags"
            bench.delete(KEY)
        bench.assert_clean()
        bench.assert_all_hold()

    def test_copy_never_overwrites(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, CopiesObjects):
            return
        bench.put(body(13), KEYS[0])
        bench.put(bench.large(1), KEYS[1])
        for source, target in ((KEYS[0], KEYS[1]), (KEYS[1], KEYS[0]), (KEYS[0], KEYS[0])):
            with bench.refuses(errors.ObjectExists):
                driver.copy(source, target)
        bench.assert_all_hold()
        bench.assert_clean()

    def test_copy_of_nothing_leaves_nothing(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, CopiesObjects):
            return
        with bench.refuses(errors.ObjectNotFound):
            driver.copy(KEY, KEYS[0])
        bench.put(body(13))
        for source, target in ((KEY, "../a"), ("../a", KEYS[0]), (KEY, ""), ("a/b", KEYS[0])):
            with bench.refuses(errors.InvalidKey):
                driver.copy(source, target)
        bench.assert_all_hold()

    def test_copy_of_an_object_that_is_replaced_is_whole(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, CopiesObjects):
            return
        bodies = [bench.large()]
        bench.put(bodies[0])
        for number in range(TIMES):
            made = replaced_meanwhile(bench, bodies, partial(driver.copy, KEY, KEYS[number]))
            if isinstance(made, errors.ImgstoreError):
                bench.assert_discreet(made)
                assert isinstance(made, (errors.ObjectNotFound, errors.StoreUnavailable)), made
                continue
            with bench.other.open_reader(KEYS[number]) as reader:
                found = b"".join(reader)
            assert found in bodies, "a copy has bytes of one object, and of another that replaced it"
            bench.committed[KEYS[number]] = found
        bench.assert_clean()


def replaced_meanwhile(
    bench: Bench, bodies: list[bytes], copy: Callable[[], ObjectInfo]
) -> ObjectInfo | errors.ImgstoreError | None:
    """What the copy returned or raised, while the object under KEY was replaced again and again."""
    ended = threading.Event()

    def replace() -> None:
        while not ended.is_set() or len(bodies) == 1:
            bodies.append(bench.large(len(bodies)))
            bench.other.delete(KEY)
            with bench.other.open_writer(KEY) as writer:
                writer.write(bodies[-1])
                writer.commit()
            bench.committed[KEY] = bodies[-1]

    def copy_once() -> ObjectInfo:
        try:
            return copy()
        finally:
            ended.set()

    jobs: list[Callable[[], ObjectInfo | None]] = [copy_once, replace]
    return at_once(jobs)[0]
