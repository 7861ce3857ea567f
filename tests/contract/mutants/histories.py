"""Drivers that each law finds right by itself, and that go wrong in some order of calls."""

from __future__ import annotations

from collections.abc import Iterator

from imgstore import errors
from imgstore.driver import ObjectWriter, WriterState
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import MutantWriter, caught_by
from tests.contract.mutants.copying import _Copies

HISTORIES = "test_histories_end_as_the_model_says"


@caught_by(HISTORIES)
class DeleteEndsTheUploadsOfTheKey(_Copies):
    """An upload that began before the object was removed loses what it has."""

    def _delete(self, key: str) -> None:
        super()._delete(key)
        for writer in self.storage.writers:
            if writer.key == key:
                writer._chunks.clear()


@caught_by(HISTORIES)
class RefusesForEverWhoCameWhileTheKeyWasTaken(_Copies):
    """The object may be gone at the commit."""

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        writer = super()._open_writer(key, size)
        if isinstance(writer, MutantWriter):
            vars(writer)["_taken"] = key in self.storage.names()
        return writer

    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            if vars(self)["_taken"]:
                raise errors.ObjectExists("An object was there under that key when this upload began.")
            return super()._commit()


@caught_by(HISTORIES)
class CannotDeleteDuringAnUpload(_Copies):
    """An upload locks its key, the object that is there included."""

    def _delete(self, key: str) -> None:
        self._stat(key)
        if any(writer.key == key and writer.state is WriterState.OPEN for writer in self.storage.writers):
            raise errors.StoreUnavailable("An upload has locked the object.")
        super()._delete(key)


@caught_by(HISTORIES, "test_copy_is_an_object_of_its_own")
class ListsCopiesOfTheDriverThatMadeThemOnly(_Copies):
    """Its index of copies is not the storage's."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        info = super().copy(source, target)
        self.storage.links[target] = str(id(self))
        return info

    def objects(self) -> Iterator[ObjectInfo]:
        links = getattr(self.storage, "links", {})
        return (info for info in super().objects() if links.get(info.key, str(id(self))) == str(id(self)))
