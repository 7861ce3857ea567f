"""On object storage the driver keeps the contract, but for what an upload leaves that died: fsspec cannot list that."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from imgstore.driver import ClearsLeftovers, FindsLeftovers, HasPlace
from imgstore.drivers.fsspec import reader
from imgstore.testing import Bench, working_bench
from imgstore.testing.aborting import AbortLaws
from imgstore.testing.parts import PartLaws
from imgstore.testing.reading import ReadingLaws
from imgstore.testing.visibility import VisibilityLaws
from tests.fsspec.objects import BLOCK, Objects
from tests.fsspec.subjects import FsspecSubject

fsspec.register_implementation("oss", Objects, clobber=True)


class ObjectSubject(FsspecSubject):
    """A bucket."""

    shared = False

    def __init__(self) -> None:
        Objects.held.clear()
        Objects.uploads.clear()

    def url(self, suffix: str) -> str:
        return f"oss://bucket/images{suffix}"

    def inventory(self) -> set[str]:
        head = "bucket/images/"
        uploads = {f"upload of {path}" for path in Objects.uploads}
        return {path.removeprefix(head) for path in Objects.held if path.startswith(head)} | uploads


@pytest.mark.long
class TestObjects(VisibilityLaws, AbortLaws, PartLaws, ReadingLaws):
    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
        monkeypatch.setattr(reader, "PIECE", BLOCK)
        with working_bench(ObjectSubject()) as bench:
            yield bench

    def test_what_cannot_be_listed_is_not_promised(self, bench: Bench) -> None:
        able = [isinstance(bench.driver, each) for each in (HasPlace, FindsLeftovers, ClearsLeftovers)]
        assert able == [True, False, False]
