"""Drivers that miscount what their store may take."""

from __future__ import annotations

import contextlib
import time

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.model import Space
from imgstore.quota import Account, Hold, capacity_refusal
from tests.contract.mutants.base import A_REQUEST, Mutant, MutantWriter, caught_by, patched


@caught_by("test_capacity_is_kept_to_the_byte")
class TakesWhatHasNoDeclaredSize(Mutant):
    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return super()._reserve(key, size) if size is not None else None


@caught_by("test_capacity_is_kept_to_the_byte")
class CountsWhatItWroteItselfOnly(Mutant):
    """Each driver begins with an empty store."""

    account: Account | None = None

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        if self.account is None:
            self.account = Account(self.storage.account.limit, refusal=capacity_refusal)
        return self.account.reserve(size)


@caught_by("test_room_is_given_back_once")
class CapacityIsNeverGivenBack(Mutant):
    def _delete(self, key: str) -> None:
        self.storage.remove(key)


@caught_by("test_room_is_given_back_once")
class GivesBackTwiceWhatItRemoved(Mutant):
    def _delete(self, key: str) -> None:
        size = self.storage.get(key).info.size
        super()._delete(key)
        self.storage.account.give_back(size)


@caught_by("test_room_is_given_back_once")
class FailedCommitKeepsItsRoom(Mutant):
    @patched(_ObjectWriter__failed=lambda self, action, error: _failed(self, action, error))
    class WRITER(MutantWriter):
        pass


def _failed(writer: ObjectWriter, action: str, error: BaseException) -> None:
    vars(writer)["_ObjectWriter__capacity"] = None
    ObjectWriter._ObjectWriter__failed(writer, action, error)  # type: ignore[attr-defined] # the base's own, as mangled


@caught_by("test_capacity_is_kept_to_the_byte")
class TellsNoCapacity(Mutant):
    capacity = None


@caught_by("test_capacity_is_kept_to_the_byte")
class TellsTheSpaceOfItsDisk(Mutant):
    def space(self) -> Space:
        self.check()
        return Space(total=10**12, free=10**11)


@caught_by("test_room_is_given_back_once")
class TwoDeletionsAtOnceGiveBackTwice(Mutant):
    def _delete(self, key: str) -> None:
        size = self.storage.get(key).info.size
        time.sleep(A_REQUEST)
        with contextlib.suppress(errors.ObjectNotFound):
            self.storage.remove(key)
        self.storage.account.give_back(size)
