"""Drivers whose checks meet each other."""

from __future__ import annotations

import time

from imgstore import errors
from imgstore.driver.translate import storage_failures
from tests.contract.mutants.base import A_REQUEST, Mutant, caught_by


@caught_by("test_checks_side_by_side_pass")
class EveryProbeHasOneName(Mutant):
    def check(self) -> None:
        with storage_failures("checking"):
            try:
                self.storage.create("probe", b"imgstore")
            except errors.ObjectExists:
                raise errors.StoreUnavailable("The probe cannot be written.") from None
            time.sleep(A_REQUEST)
            self.storage.remove("probe")
