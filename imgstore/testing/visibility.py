"""Nothing is visible before commit, and everything is afterwards: to this driver, and to another process."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import FindsLeftovers, ListsObjects, MeasuresSpace
from imgstore.testing.bench import KEY, KEYS, Bench, body, pieces, same
from imgstore.testing.telling import Laws

AN_HOUR = 3600.0


def purge(driver: StoreDriver, *, older_than: float = 0.0) -> None:
    """Removes what `driver` calls leftovers, where it can find them."""
    if isinstance(driver, FindsLeftovers):
        for leftover in list(driver.leftovers(older_than=older_than)):
            driver.remove_leftover(leftover)


class VisibilityLaws(Laws):
    """What is seen, by whom, when."""

    @pytest.mark.parametrize("declared", [True, False])
    def test_nothing_is_visible_before_commit(self, bench: Bench, declared: bool) -> None:
        border = max(bench.subject.borders)
        data = body(border * 2 + 1)
        with bench.driver.open_writer(KEY, size=len(data) if declared else None) as writer:
            bench.assert_absent()
            for piece in pieces(data, border):
                writer.write(piece)
                bench.assert_absent()
            writer.commit()
            bench.committed[KEY] = data
            bench.assert_holds(data)

    def test_empty_object_is_invisible_before_commit(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY, size=0):
            bench.assert_absent()
        bench.assert_absent()

    def test_listing_is_exactly_what_was_committed(self, bench: Bench) -> None:
        for number, key in enumerate(KEYS[:3]):
            bench.put(body(number * 10), key)
        with bench.driver.open_writer(KEYS[3]) as writer:
            writer.write(bench.large())
            for driver in (bench.driver, bench.other):
                assert bench.visible(driver) == set(KEYS[:3])
        for driver in (bench.driver, bench.other):
            if isinstance(driver, ListsObjects):
                assert {info.key: info.size for info in driver.objects()} == dict(zip(KEYS, (0, 10, 20), strict=False))

    def test_listing_shows_what_stays_while_others_come_and_go(self, bench: Bench) -> None:
        if not isinstance(bench.other, ListsObjects):
            return
        for number, key in enumerate(KEYS):
            bench.put(body(number), key)
        listing = iter(bench.other.objects())
        shown = [next(listing).key]
        gone = {shown[0], next(key for key in KEYS if key != shown[0])}
        for key in gone:
            bench.delete(key)
        bench.put(body(13))
        shown += [info.key for info in listing]
        missing = set(KEYS) - gone - set(shown)
        assert not missing, f"a listing leaves out {len(missing)} objects, since one before them was deleted meanwhile"
        assert len(shown) == len(set(shown)), "a listing shows an object twice, since one came meanwhile"

    def test_object_outlives_its_driver(self, bench: Bench) -> None:
        first = bench.subject.open()
        with first.open_writer(KEY) as writer:
            writer.write(bench.large())
            writer.commit()
        first.close()
        bench.committed[KEY] = bench.large()
        with bench.open().open_reader(KEY) as reader:
            assert same(b"".join(reader), bench.large())

    def test_deleted_object_is_gone_everywhere(self, bench: Bench) -> None:
        bench.put(bench.large())
        bench.delete()
        bench.assert_absent()
        bench.assert_clean()

    def test_delete_takes_one_object_only(self, bench: Bench) -> None:
        neighbours = (KEY[:-1], *(f"{KEY}{tail}" for tail in (".", "-", "_", "2", "a", ".2", "-2", "_2")))
        for number, key in enumerate((KEY, *neighbours)):
            bench.put(body(13, number) if number > 2 else bench.large(number), key)
        bench.delete()
        bench.assert_all_hold()

    def test_living_upload_is_not_a_leftover(self, bench: Bench) -> None:
        with bench.driver.open_writer(KEY) as writer:
            writer.write(bench.large())
            purge(bench.other, older_than=AN_HOUR)
            writer.write(body(300, 1))
            purge(bench.other, older_than=AN_HOUR)
            writer.commit()
        bench.committed[KEY] = bench.large() + body(300, 1)
        bench.assert_holds(bench.large() + body(300, 1))

    def test_committed_object_is_not_a_leftover(self, bench: Bench) -> None:
        bench.put(body(max(bench.subject.borders) + 1))
        purge(bench.other)
        bench.assert_holds(bench.committed[KEY])

    def test_space_is_told_in_bytes_or_not_at_all(self, bench: Bench) -> None:
        bench.put(body(13))
        driver = bench.driver
        space = driver.space() if isinstance(driver, MeasuresSpace) else None
        if space is not None and space.total is not None and space.free is not None:
            assert 0 <= space.free <= space.total

    def test_check_passes_and_leaves_no_trace(self, bench: Bench) -> None:
        bench.put(body(13))
        for driver in (bench.driver, bench.other):
            driver.check()
        bench.assert_clean()
        assert bench.visible(bench.other) == {KEY}

    def test_delete_of_nothing_is_told(self, bench: Bench) -> None:
        bench.put(body(13))
        with bench.refuses(errors.ObjectNotFound):
            bench.driver.delete(KEYS[0])
        bench.assert_holds(body(13))
