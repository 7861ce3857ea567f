"""The public conformance kit: every law that a driver must keep, as tests that an author gets by naming a subject.

    class TestMine(DriverContract):
        @pytest.fixture
        def subject(self, tmp_path: Path) -> Subject:
            return MySubject(tmp_path)

No skip flags: every test runs for every driver. pytest is imported here and nowhere else in the library (extra
`testing`). `doc/drivers.md` is the guide.
"""

from imgstore.distribution import needs

with needs("testing"):
    import pytest

_LAWS = (
    "aborting",
    "bench",
    "concurrency",
    "failures",
    "naming",
    "reading",
    "resources",
    "sizes",
    "clearing",
    "visibility",
    "writing",
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _LAWS))

from imgstore.testing.bench import Bench, working_bench  # noqa: E402 - the rewriting of asserts comes first
from imgstore.testing.concurrency import AtomicCreation  # noqa: E402
from imgstore.testing.contract import DriverContract  # noqa: E402
from imgstore.testing.subject import Subject  # noqa: E402

__all__ = ["AtomicCreation", "Bench", "DriverContract", "Subject", "working_bench"]
