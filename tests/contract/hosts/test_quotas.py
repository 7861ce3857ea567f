"""The library's quotas keep the contract."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from imgstore.testing import KeptQuotaContract, KeptQuotaSubject, QuotaContract, QuotaSubject
from tests.contract.hosts.subjects import LedgerSubject, MemoryQuotaSubject
from tests.support.database_fixtures import EACH_DATABASE


class TestMemoryQuota(QuotaContract):
    @pytest.fixture
    def subject(self) -> QuotaSubject:
        return MemoryQuotaSubject()


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestSqlLedger(QuotaContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[QuotaSubject]:
        with contextlib.ExitStack() as stack:
            yield LedgerSubject(tables, stack)


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestLedgerRecovery(KeptQuotaContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[KeptQuotaSubject]:
        with contextlib.ExitStack() as stack:
            yield LedgerSubject(tables, stack)
