"""The capacity of a store: no byte more, and room that is given back, once. For drivers with `HasCapacity`."""

from __future__ import annotations

from functools import partial

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import HasCapacity, MeasuresSpace
from imgstore.testing.bench import KEY, KEYS, Bench, body
from imgstore.testing.concurrency import at_once
from imgstore.testing.parts import lose_answer
from imgstore.testing.telling import Laws


def write(bench: Bench, driver: StoreDriver, data: bytes, *, size: int | None = None) -> None:
    """An object under KEY."""
    with driver.open_writer(KEY, size=size) as writer:
        writer.write(data)
        writer.commit()
    bench.committed[KEY] = data


def assert_full(bench: Bench, driver: StoreDriver) -> None:
    """Not one byte more, whether its length is declared or not."""
    with bench.refuses(errors.StoreFull):
        driver.open_writer(KEYS[0], size=1)
    with bench.refuses(errors.StoreFull), driver.open_writer(KEYS[0]) as writer:
        writer.write(b"x")


class CapacityLaws(Laws):
    """A driver that may take as much as one large body."""

    READ = "Capabilities"

    def test_capacity_is_kept_to_the_byte(self, bench: Bench) -> None:
        if not isinstance(bench.driver, HasCapacity):
            return
        data = bench.large()
        driver = bench.limited(len(data))
        assert isinstance(driver, HasCapacity)
        assert driver.capacity == len(data), f"capacity is {driver.capacity} where {len(data)} was set"
        with bench.refuses(errors.StoreFull):
            driver.open_writer(KEY, size=len(data) + 1)
        with bench.refuses(errors.StoreFull), driver.open_writer(KEY) as writer:
            writer.write(data)
            writer.write(b"x")
        bench.assert_clean()
        write(bench, driver, data)
        for full in (driver, bench.limited(len(data))):
            assert_full(bench, full)
            space = full.space() if isinstance(full, MeasuresSpace) else None
            assert space is None or space.free == 0, f"space() tells {space} of a store that is full"

    def test_room_is_given_back_once(self, bench: Bench) -> None:
        if not isinstance(bench.driver, HasCapacity):
            return
        data = bench.large()
        bench.put(body(13), KEYS[1])
        driver = bench.limited(len(data) + 13)
        with driver.open_writer(KEY, size=len(data)) as writer:
            assert_full(bench, driver)
            writer.abort()
            writer.abort()
        lost = driver.open_writer(KEY)
        lose_answer(lost, "_commit")
        lost.write(data)
        with bench.refuses(errors.StoreUnavailable):
            lost.commit()
        for size in (len(data), None):
            write(bench, driver, data, size=size)
            assert_full(bench, driver)
            deletions = at_once([partial(driver.delete, KEY)] * 2)
            assert None in deletions, f"of two deletions at once none succeeds: {deletions[0]}"
            with bench.refuses(errors.ObjectNotFound):
                driver.delete(KEY)
            del bench.committed[KEY]
        with bench.refuses(errors.StoreFull):
            driver.open_writer(KEY, size=len(data) + 1)
