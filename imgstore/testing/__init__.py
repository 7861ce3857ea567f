"""The public conformance kit: every law that a driver or a host must keep, as tests that an author gets by naming a
subject.

    class TestMine(DriverContract):
        @pytest.fixture
        def subject(self, tmp_path: Path) -> Subject:
            return MySubject(tmp_path)

No skip flags: every test runs for every driver. pytest is imported here and nowhere else in the library (extra
`testing`). `imgstore.testing.faults` is a proxy that breaks requests. `doc/drivers.md` is the guide for drivers,
`doc/prove-your-host.md` the one for hosts.
"""

from imgstore.distribution import needs

with needs("testing"):
    import pytest

    from imgstore.testing import faults

_LAWS = (
    "aborting",
    "bench",
    "breaking",
    "capacity",
    "concurrency",
    "copying",
    "describing",
    "failures",
    "interrupted",
    "filling",
    "forking",
    "giving",
    "histories",
    "leftovers",
    "memory",
    "naming",
    "neighbours",
    "parts",
    "reading",
    "resources",
    "sizes",
    "clearing",
    "visibility",
    "telling",
    "writing",
    "hosts",
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _LAWS))

from imgstore.testing.bench import Bench, working_bench
from imgstore.testing.concurrency import AtomicCreation
from imgstore.testing.contract import DriverContract
from imgstore.testing.histories import Histories
from imgstore.testing.hosts.bodies_over_http import AnswersBrokenBodies, RefusesBeforeTheBody
from imgstore.testing.hosts.catalog import CatalogContract
from imgstore.testing.hosts.copy_catalog import CopyCatalogContract
from imgstore.testing.hosts.host import (
    AsksWho,
    DeletesImages,
    HostContract,
    InspectsContent,
    LimitsQuota,
    LimitsSize,
)
from imgstore.testing.hosts.host_bench import HostSubject
from imgstore.testing.hosts.kept_catalog import KeptCatalogContract, RecoversCopies
from imgstore.testing.hosts.kept_quota import KeptQuotaContract
from imgstore.testing.hosts.places import NoticesRestores, PlaceMemoryContract
from imgstore.testing.hosts.quota import QuotaContract
from imgstore.testing.hosts.stores_over_http import HasReadOnlyStore, NamesStores, RefusesSignatures
from imgstore.testing.hosts.subjects import (
    CatalogSubject,
    CopyCatalogSubject,
    KeptCatalogSubject,
    KeptQuotaSubject,
    PlaceMemorySubject,
    QuotaSubject,
    end_lease,
)
from imgstore.testing.hosts.uploads_in_catalog import (
    ConfirmsOwnership,
    HidesImages,
    RefusesUnsetFormats,
)
from imgstore.testing.subject import Subject

__all__ = [
    "AnswersBrokenBodies",
    "AsksWho",
    "AtomicCreation",
    "Bench",
    "CatalogContract",
    "CatalogSubject",
    "ConfirmsOwnership",
    "CopyCatalogContract",
    "CopyCatalogSubject",
    "DeletesImages",
    "DriverContract",
    "HasReadOnlyStore",
    "HidesImages",
    "Histories",
    "HostContract",
    "HostSubject",
    "InspectsContent",
    "KeptCatalogContract",
    "KeptCatalogSubject",
    "KeptQuotaContract",
    "KeptQuotaSubject",
    "LimitsQuota",
    "LimitsSize",
    "NamesStores",
    "NoticesRestores",
    "PlaceMemoryContract",
    "PlaceMemorySubject",
    "QuotaContract",
    "QuotaSubject",
    "RecoversCopies",
    "RefusesBeforeTheBody",
    "RefusesSignatures",
    "RefusesUnsetFormats",
    "Subject",
    "end_lease",
    "faults",
    "working_bench",
]
