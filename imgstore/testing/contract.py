"""The contract: all laws in one class, which a driver's author subclasses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgstore.testing.aborting import AbortLaws
from imgstore.testing.bench import Bench, working_bench
from imgstore.testing.capacity import CapacityLaws
from imgstore.testing.clearing import ClearingLaws
from imgstore.testing.concurrency import ConcurrencyLaws
from imgstore.testing.copying import CopyLaws
from imgstore.testing.describing import DescribingLaws
from imgstore.testing.failures import FailureLaws
from imgstore.testing.filling import FillingLaws
from imgstore.testing.forking import ForkLaws
from imgstore.testing.giving import GivingLaws
from imgstore.testing.interrupted import InterruptedLaws
from imgstore.testing.leftovers import LeftoverLaws
from imgstore.testing.memory import MemoryLaws
from imgstore.testing.naming import NamingLaws
from imgstore.testing.neighbours import NeighbourLaws
from imgstore.testing.parts import PartLaws
from imgstore.testing.reading import ReadingLaws
from imgstore.testing.resources import ResourceLaws
from imgstore.testing.sizes import SizeLaws
from imgstore.testing.subject import Subject
from imgstore.testing.visibility import VisibilityLaws
from imgstore.testing.writing import WritingLaws


class DriverContract(  # pytest runs the last base first: the simplest laws, for who stops at the first that is broken
    ForkLaws,
    FillingLaws,
    InterruptedLaws,
    NeighbourLaws,
    CapacityLaws,
    CopyLaws,
    ClearingLaws,
    LeftoverLaws,
    MemoryLaws,
    ResourceLaws,
    ConcurrencyLaws,
    FailureLaws,
    GivingLaws,
    DescribingLaws,
    NamingLaws,
    PartLaws,
    AbortLaws,
    VisibilityLaws,
    SizeLaws,
    ReadingLaws,
    WritingLaws,
):
    """Subclass it under a name that pytest collects and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        """The storage under test, empty."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: Subject) -> Iterator[Bench]:
        """What the tests work with."""
        with working_bench(subject) as bench:
            yield bench
