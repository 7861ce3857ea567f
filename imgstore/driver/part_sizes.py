"""How large the parts of an object are, for storages that take a large object in parts or segments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from imgstore import errors
from imgstore.model import MIB

_STEPS = 100


@dataclass(frozen=True, slots=True)
class PartSizes:
    """How large each part of an object is, in bytes.

    The first parts have `first` bytes; the later ones grow, in steps, by the smallest factor with which `most` parts
    hold `largest` bytes, and never beyond `ceiling`. With `equal` all have `first` bytes (the last one may be shorter).
    `part_size` is what was configured, which the memory is reckoned by; None: `first`. `steps`: see `staggered`.
    """

    first: int
    most: int
    largest: int
    ceiling: int | None = None
    equal: bool = False
    part_size: int | None = None
    steps: int = 1

    @property
    def unit(self) -> int:
        """Bytes by which the memory is reckoned: of the configuration, not of the object."""
        return self.first if self.part_size is None else self.part_size

    @classmethod
    def for_size(
        cls, size: int | None, *, part_size: int, most: int, largest: int, ceiling: int | None = None,
        equal: bool = False,
    ) -> PartSizes:  # fmt: skip
        """The sizes for an object of `size` bytes (None: unknown). A known one gets equal parts of `part_size` bytes,
        or of as many as `most` parts need. Raises StoreFull for an object larger than the storage takes."""
        if size is None:
            return cls(part_size, most, largest, ceiling, equal)
        needed = part_size if size <= part_size * most else -(-size // most // MIB) * MIB
        first = needed if ceiling is None else min(needed, ceiling)
        if size > min(largest, first * most):
            raise errors.StoreFull(
                f"The image has {size} bytes, the store takes at most {min(largest, (ceiling or largest) * most)}."
            )
        return cls(first, most, largest, ceiling, equal=True, part_size=part_size)

    def staggered(self, steps: int, *, size: int | None) -> PartSizes:
        """The same for an object of `size` bytes, with first parts of one, two, three ... `steps`ths of a part. So
        parts that are sent side by side end at different times, and the storage goes on receiving while it makes one of
        them durable. Unchanged if the parts would then no longer hold the object."""
        staggered = replace(self, steps=steps)
        wanted, capacity = self.largest, (self.ceiling or self.largest) * self.most
        if size is not None:
            wanted, capacity = size, self.first * self.most
        return staggered if wanted + staggered._left_out <= capacity and steps <= self.most else self

    @property
    def _left_out(self) -> int:
        """How many bytes staggering takes away from the first parts."""
        return sum(self.first - self._shorter(number) for number in range(1, self.steps))

    def _shorter(self, number: int) -> int:
        return round(self.first * number / self.steps)

    def size_of(self, number: int) -> int:
        """Bytes of part `number`. Raises StoreFull for one more than the storage takes."""
        if number > self.most:
            raise errors.StoreFull(f"The store takes an image of unknown size in at most {self.most} parts.")
        if number < self.steps:
            return self._shorter(number)
        if self.equal:
            return self.first
        step, ceiling = (number - 1) // _span(self.most), self.ceiling or self.largest
        return _grown(self.first, _factor(self.first, self.most, self.largest + self._left_out, ceiling), step, ceiling)


def _span(most: int) -> int:
    """Parts of one size before the next step."""
    return max(1, most // _STEPS)


def _grown(first: int, factor: float, step: int, ceiling: int) -> int:
    if step * math.log(factor) >= math.log(ceiling / first):  # before the power is a number too large
        return ceiling if step else first
    return min(math.ceil(first * factor**step), ceiling)


@lru_cache(maxsize=64)
def _factor(first: int, most: int, largest: int, ceiling: int) -> float:
    """The smallest growth a step with which all parts together hold `largest` bytes, as near as the ceiling allows."""
    span = _span(most)

    def holds(factor: float) -> bool:
        return span * sum(_grown(first, factor, step, ceiling) for step in range(most // span)) >= largest

    low, high = 1.0, 2.0
    while not holds(high) and high * first < largest:
        high *= 2
    if holds(low):
        return low
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
