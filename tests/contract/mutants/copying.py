"""Drivers whose copies overwrite, depend on their source, or come from nothing."""

from __future__ import annotations

import contextlib
import time

from imgstore import errors
from imgstore.driver import check_key
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, caught_by

MOST = 5 * 64 * 1024


class _Copies(Mutant):
    """Copies as it should."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        check_key(target)
        created: ObjectInfo = self.storage.create(target, self.storage.get(check_key(source)).data)
        return created


@caught_by("test_copy_never_overwrites")
class CopyOverwrites(_Copies):
    def copy(self, source: str, target: str) -> ObjectInfo:
        replaced: ObjectInfo = self.storage.replace(target, self.storage.get(source).data)
        return replaced


@caught_by("test_copy_is_an_object_of_its_own")
class CopyIsALink(_Copies):
    """The target goes with its source."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        self.storage.links[source] = target
        return super().copy(source, target)

    def _delete(self, key: str) -> None:
        super()._delete(key)
        if key in self.storage.links:
            self.storage.remove(self.storage.links.pop(key))


@caught_by("test_copy_is_an_object_of_its_own")
class CopyTellsItsSource(_Copies):
    def copy(self, source: str, target: str) -> ObjectInfo:
        super().copy(source, target)
        return self.stat(source)


@caught_by("test_copy_of_nothing_leaves_nothing")
class CopyOfNothingIsEmpty(_Copies):
    def copy(self, source: str, target: str) -> ObjectInfo:
        with contextlib.suppress(errors.ObjectNotFound):
            return super().copy(source, target)
        created: ObjectInfo = self.storage.create(target, b"")
        return created


@caught_by("test_copy_of_nothing_leaves_nothing")
class CopyTakesAnyName(_Copies):
    def copy(self, source: str, target: str) -> ObjectInfo:
        created: ObjectInfo = self.storage.create(target, self.storage.get(source).data)
        return created


@caught_by("test_copy_is_an_object_of_its_own")
class CopiesTheFirstParts(_Copies):
    def copy(self, source: str, target: str) -> ObjectInfo:
        created: ObjectInfo = self.storage.create(check_key(target), self.storage.get(check_key(source)).data[:MOST])
        return created


@caught_by("test_copy_of_an_object_that_is_replaced_is_whole")
class CopyIsNotPinned(_Copies):
    """Its halves are of the objects that are there at the time."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        half = self.storage.get(check_key(source)).info.size // 2
        first = self.storage.get(source).data[:half]
        time.sleep(0.02)
        data = first + self.storage.get(source).data[half:]
        created: ObjectInfo = self.storage.create(check_key(target), data)
        return created
