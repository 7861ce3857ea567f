"""Which place is a store's, remembered by this machine (law "known by its place"): Glance's database has no room.

A store's first use on a machine makes the place and its mark, or takes the mark that another machine made, and notes it
in a file. From then on a place with another mark, or with none, is unavailable: a disk that is not mounted, for one.
"""

from __future__ import annotations

import contextlib
import os
import secrets

from imgstore import errors
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import LONGEST, mark_in, new_mark, text_of
from imgstore.store import Store

OPTION = "places_dir"
PLACES_DIR = "/var/lib/glance/imgstore"


class PlaceFiles:
    """The marks of the stores, a file for each in one directory, which all processes of a machine share."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def known(self, store: str) -> str | None:
        """The mark that is noted; None for none. Raises ConfigurationError."""
        try:
            with open(self._file(store), "rb") as file:
                found = mark_in(file.read(LONGEST))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.unusable(store, error) from error
        if found is None:
            raise self._bad(store, f"{self._file(store)} is not a note of a store's place.")
        return found

    def prepare(self, store: str) -> None:
        """Makes the directory, before anything is marked that could not be noted. Raises ConfigurationError."""
        try:
            os.makedirs(self._directory, mode=0o750, exist_ok=True)
        except OSError as error:
            raise self.unusable(store, error) from error
        if not os.access(self._directory, os.W_OK | os.X_OK):
            raise self._bad(store, f"{self._directory} cannot be written.")

    def note(self, store: str, mark: str) -> str:
        """Notes the mark, durable, unless there is one. Returns the mark that is noted. Raises ConfigurationError."""
        draft = f"{self._file(store)}.{secrets.token_hex(8)}"
        try:
            with open(draft, "xb") as file:
                file.write(text_of(mark))
                file.flush()
                os.fsync(file.fileno())
            try:
                with contextlib.suppress(FileExistsError):
                    os.link(draft, self._file(store))
            finally:
                os.unlink(draft)
            self._keep_names()
        except OSError as error:
            raise self.unusable(store, error) from error
        return self.known(store) or mark

    def path_of(self, store: str, kind: str) -> str:
        """Where a note of this kind on the store is."""
        return os.path.join(self._directory, f"{store}.{kind}")

    def unusable(self, store: str, error: OSError) -> errors.ConfigurationError:
        """The refusal of a directory in which nothing can be noted."""
        return self._bad(store, f"{self._directory} cannot be used ({error.strerror}).")

    def _keep_names(self) -> None:
        """A name is durable when its directory is: without it, the next start would take any place for the store's."""
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _file(self, store: str) -> str:
        return self.path_of(store, "place")

    def _bad(self, store: str, problem: str) -> errors.ConfigurationError:
        cure = "Name a directory that Glance may write and that outlives a restart."
        return errors.ConfigurationError(problem, section=store, option=OPTION, cure=cure)


def settle(store: Store, memory: PlaceFiles) -> None:
    """Tells the driver which place is the store's. Raises StoreError, ConfigurationError; then nothing is done in the
    place until this succeeds."""
    driver = store.driver
    if not isinstance(driver, HasPlace) or not driver.place.markable:
        return
    try:
        with store.blamed():
            mark = memory.known(store.identifier) or _first_mark(store, driver, memory)
    except BaseException:
        driver.expect_adoption()
        raise
    if mark is None:
        driver.expect_any_place()
    else:
        driver.expect_mark(mark)


def _first_mark(store: Store, driver: HasPlace, memory: PlaceFiles) -> str | None:
    memory.prepare(store.identifier)
    only_reads = store.read_only or store.driver.READ_ONLY
    found = driver.read_mark() if only_reads else driver.write_mark(new_mark())
    return None if found is None else memory.note(store.identifier, found)
