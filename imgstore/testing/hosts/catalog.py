"""The contract for a host's table of images, as uploads and downloads use it."""

from __future__ import annotations

import pytest

from imgstore.testing.hosts.catalog_bench import CatalogBench
from imgstore.testing.hosts.races_in_catalog import RaceLaws
from imgstore.testing.hosts.subjects import CatalogSubject
from imgstore.testing.hosts.uploads_in_catalog import OwnershipLaws, UploadLaws


class CatalogContract(UploadLaws, OwnershipLaws, RaceLaws):
    """Subclass it under a name that pytest collects and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> CatalogSubject:
        """The table under test, empty."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: CatalogSubject) -> CatalogBench:
        """What the tests work with."""
        return CatalogBench(subject)
