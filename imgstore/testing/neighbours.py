"""Another store on the same storage: what one store does never reaches the other's objects (law "known by its place").

Both use the same keys, as two stores of one service do that hold the same image.
"""

from __future__ import annotations

from imgstore.driver.base import ObjectWriter, StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers, FindsLeftovers, ListsObjects
from imgstore.testing.bench import KEY, Bench, body, pieces, same
from imgstore.testing.telling import Laws


def begun(bench: Bench, driver: StoreDriver, data: bytes) -> ObjectWriter:
    """An upload under KEY that has got `data`."""
    writer = driver.open_writer(KEY)
    for piece in pieces(data, bench.subject.largest):
        writer.write(piece)
    return writer


def reads(driver: StoreDriver) -> bytes:
    """The object under KEY."""
    with driver.open_reader(KEY) as reader:
        return b"".join(reader)


def remove_everything_old(driver: StoreDriver) -> None:
    """All that `driver` removes when nobody uploads: each certain leftover, and those of KEY."""
    if isinstance(driver, FindsLeftovers):
        found = [leftover for leftover in driver.leftovers() if leftover.certain]
        assert not found, f"leftovers() names what is another store's: {found[0].name}"
    if isinstance(driver, ClearsLeftovers):
        driver.clear_leftovers(KEY)


class NeighbourLaws(Laws):
    """A store and its neighbour, `Subject.neighbour()`."""

    READ = "Capabilities"

    def test_stores_on_one_storage_do_not_see_each_other(self, bench: Bench) -> None:
        neighbour = bench.neighbour()
        with begun(bench, neighbour, bench.large(1)) as writer:
            writer.commit()
        bench.assert_absent()
        bench.put(body(13))
        assert same(reads(neighbour), bench.large(1))
        if isinstance(neighbour, ListsObjects):
            assert [info.size for info in neighbour.objects()] == [len(bench.large(1))]
        bench.assert_holds(body(13))
        bench.delete()
        assert same(reads(neighbour), bench.large(1))
        neighbour.delete(KEY)

    def test_what_is_removed_is_never_the_neighbours(self, bench: Bench) -> None:
        neighbour = bench.neighbour()
        data = bench.large(1)
        with begun(bench, neighbour, data) as writer:
            remove_everything_old(bench.other)
            begun(bench, bench.driver, bench.large()).abort()
            remove_everything_old(bench.other)
            writer.write(body(7))
            writer.commit()
        remove_everything_old(bench.other)
        assert same(reads(neighbour), data + body(7))
        neighbour.delete(KEY)
