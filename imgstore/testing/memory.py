"""Memory is a formula, which the subject states: what one transfer allocates, and nothing that is there anyway."""

from __future__ import annotations

import contextlib
import tracemalloc

from imgstore.driver.base import StoreDriver
from imgstore.testing.bench import KEY, KEYS, Bench, body
from imgstore.testing.parts import PARTS
from imgstore.testing.subject import SMALLEST_BORDER
from imgstore.testing.telling import Laws

SOME = 3
"""Parts of an object that is large enough for whatever a driver does with large ones."""


def transfer(driver: StoreDriver, key: str, piece: bytes, times: int) -> None:
    """Writes so many pieces under the key and reads them all."""
    with driver.open_writer(key) as writer:
        for _ in range(times):
            writer.write(memoryview(piece))
        writer.commit()
    with driver.open_reader(key) as reader:
        while reader.read(len(piece)):
            pass


def peak(driver: StoreDriver, piece: bytes, times: int) -> int:
    """The most bytes that are allocated, by any thread, while so many pieces go to KEY and come back. Modules, clients
    and connections are no part of it: an object of a few parts goes before."""
    transfer(driver, KEYS[0], piece, times * SOME // PARTS)
    driver.delete(KEYS[0])
    tracemalloc.start()
    try:
        transfer(driver, KEY, piece, times)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class MemoryLaws(Laws):
    """`Subject.memory`."""

    READ = "Adopting the contract"

    def test_memory_is_what_the_formula_says(self, bench: Bench) -> None:
        piece = body(SMALLEST_BORDER * 4)
        times = bench.subject.largest * PARTS // len(piece) + 1
        most = bench.subject.memory(len(piece) * times)
        if most is None:
            return
        with contextlib.closing(bench.subject.open()) as driver:
            found = peak(driver, piece, times)
        bench.committed[KEY] = piece * times
        assert found <= most, f"{found} bytes were allocated for {len(piece) * times}; by `memory` it is at most {most}"
