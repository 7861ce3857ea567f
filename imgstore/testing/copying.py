"""A copy inside the store: exclusive, independent of its source, all or nothing. For drivers with `CopiesObjects`."""

from __future__ import annotations

from imgstore import errors
from imgstore.driver.capabilities import CopiesObjects
from imgstore.testing.bench import KEY, KEYS, Bench, body
from imgstore.testing.telling import Laws


class CopyLaws(Laws):
    """What `copy` promises beyond a writer's commit."""

    READ = "Capabilities"

    def test_copy_is_an_object_of_its_own(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, CopiesObjects):
            return
        for number, data in enumerate((b"", body(13), bench.large())):
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
