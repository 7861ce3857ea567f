"""What a bucket that keeps versions hides under the store's names: older versions, and marks of deletions.

Nothing here is the object that anybody reads. The versions of a deleted object go before the mark that hides them, else
an old one would be the object again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver import is_key
from imgstore.driver.place import NOTES
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.objects import is_own
from imgstore.drivers.s3.requests import Requests
from imgstore.model import Leftover

SEPARATOR = "?versionId="
OLD, MARK = "an older version, which the bucket keeps", "the mark of a deletion, which the bucket keeps"


@dataclass(frozen=True, slots=True)
class Version:
    """One version under a name. `latest`: the one that is seen; `size` None: the mark of a deletion."""

    name: str
    identifier: str
    latest: bool
    modified: float
    size: int | None

    @property
    def hidden(self) -> bool:
        """Whether it is no object that can be read."""
        return not self.latest or self.size is None


def hidden(requests: Requests, *, older_than: float) -> Iterator[Leftover]:
    """Every hidden version of `older_than` seconds; the marks of deletions come last. None from a server that knows no
    versions. Raises StoreUnavailable."""
    found = [
        each
        for each in _listed(requests)
        if each.hidden and requests.is_older(each.modified, older_than) and _is_ours(each.name)
    ]
    for each in sorted(found, key=lambda each: each.size is None):
        key = each.name if is_key(each.name) else None
        name = f"{each.name}{SEPARATOR}{each.identifier}"
        yield Leftover(name, MARK if each.size is None else OLD, each.size, each.modified, key)


def remove(requests: Requests, name: str, identifier: str) -> None:
    """Removes a version, if it is still hidden; the mark of a deletion only if it hides nothing any more. Raises
    InvalidKey for another's name, StoreUnavailable."""
    if not _is_ours(name):
        raise errors.InvalidKey("That is not the name of a leftover.")
    here = [each for each in _listed(requests, name) if each.name == name]
    found = next((each for each in here if each.identifier == identifier), None)
    hides = found is not None and found.size is None and any(each.size is not None for each in here)
    if found is not None and found.hidden and not hides:
        requests.delete_object(name, identifier)


def remove_older(requests: Requests, name: str) -> None:
    """Removes all versions but the latest. Raises StoreUnavailable."""
    for each in list(_listed(requests, name)):
        if each.name == name and not each.latest:
            requests.delete_object(name, each.identifier)


def _is_ours(name: str) -> bool:
    return is_own(name) or name in NOTES


def _listed(requests: Requests, beginning: str = "") -> Iterator[Version]:
    try:
        for page in requests.list_versions(beginning):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                name = requests.name_in_folder(entry["Key"])
                modified = entry["LastModified"].timestamp()
                yield Version(name, entry["VersionId"], entry["IsLatest"], modified, entry.get("Size"))
    except errors.StoreError as error:
        if not s3_errors.unknown(error):
            raise
