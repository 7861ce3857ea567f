"""Drivers that reach into another store on their storage."""

from __future__ import annotations

from collections.abc import Iterator

from imgstore.model import Leftover, ObjectInfo
from tests.contract.mutants.base import Mutant, MutantStorage, MutantWriter, caught_by


@caught_by("test_stores_on_one_storage_do_not_see_each_other")
class ListsTheNeighboursObjects(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        beside = self.storage.beside if isinstance(self.storage, MutantStorage) else None
        return iter([*super().objects(), *(beside.infos() if beside else [])])


@caught_by("test_stores_on_one_storage_do_not_see_each_other")
class DeletesTheNeighboursObjectToo(Mutant):
    def _delete(self, key: str) -> None:
        super()._delete(key)
        if key in self.storage.beside.names():
            self.storage.beside.remove(key)


@caught_by("test_what_is_removed_is_never_the_neighbours")
class PurgesWhatIsOfAnotherStore(Mutant):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        self.check()
        return (Leftover(name, "not mine") for name in self.storage.names() if "/" in name)


@caught_by("test_what_is_removed_is_never_the_neighbours")
class AbortEndsTheNeighboursUploads(Mutant):
    class WRITER(MutantWriter):
        def _abort(self) -> None:
            super()._abort()
            for writer in self.mutant_storage.beside.writers if self.mutant_storage.beside else []:
                writer._chunks.clear()


@caught_by("test_what_is_removed_is_never_the_neighbours")
class ClearsTheKeyInEveryStore(Mutant):
    def clear_leftovers(self, key: str) -> None:
        super().clear_leftovers(key)
        beside = self.storage.beside if isinstance(self.storage, MutantStorage) else None
        for writer in beside.writers if beside is not None else []:
            writer._chunks.clear()
