"""Random histories: whatever happens in whatever order, a driver does what the laws say."""

from __future__ import annotations

from typing import ClassVar

from imgstore.testing.bench import Bench
from imgstore.testing.telling import Laws


class Histories(Laws):
    """Adopt it beside `DriverContract`. A history that fails is shortened, and told as a program. `HISTORIES` of
    `STEPS` calls each are the same in every run; more of them find more.
    `SECONDS`: how long a failing one is shortened."""

    READ = "Adopting the contract"
    HISTORIES: ClassVar[int] = 15
    STEPS: ClassVar[int] = 20
    SECONDS: ClassVar[float] = 20.0

    def test_histories_end_as_the_model_says(self, bench: Bench) -> None:
        from imgstore.testing.histories.machine import run  # hypothesis takes a moment, and nobody else needs it

        run(bench, histories=self.HISTORIES, steps=self.STEPS, seconds=self.SECONDS)
