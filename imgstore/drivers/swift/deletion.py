"""Removing an object with its segments. The manifest goes first, so that nobody ever sees a part of an object. The
segments follow: by the thousand in one request where the cluster can do that, else several at a time.

What is missing already counts as removed: a request whose answer got lost is sent again. Should the process die in
between, the segments are leftovers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from imgstore import errors
from imgstore.driver.deadline import handed_down
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import Headers
from imgstore.drivers.swift.dynamic_objects import is_dynamic, listed, place_of_segments
from imgstore.drivers.swift.manifest import is_static, segments_in

LOG = logging.getLogger(__name__)

FEW = 4
MOST_AT_ONCE = 1000


def segments_of(account: AccountClient, path: Path, headers: Headers) -> list[Path]:
    """Where the bytes of the object at `path` are, other than in itself; `headers` are its own."""
    if is_static(headers):
        return list(dict.fromkeys(each.path for each in segments_in(account, path, headers)))
    if not is_dynamic(headers):
        return []
    prefix = place_of_segments(headers)[1]
    if not prefix.startswith(path[1]):
        LOG.warning("The segments of %s are kept: their names begin with %s, not with its own.", path[1], prefix)
        return []
    return [each.path for each in listed(account, path, headers).segments]


class Deletion:
    """Removes what is in one account. `concurrency`: requests at a time."""

    def __init__(self, account: AccountClient, *, concurrency: int) -> None:
        self._account = account
        self._concurrency = concurrency

    def object(self, path: Path, headers: Headers) -> None:
        """Removes the object that has these headers. Raises StoreUnavailable if a part of it remains."""
        segments = segments_of(self._account, path, headers)
        self.single(path)
        self.many(segments)

    def single(self, path: Path) -> None:
        """Removes one object, if it is there."""
        try:
            self._account.delete(path)
        except errors.ObjectNotFound:
            LOG.debug("%s was not there any more", path[1])

    def many(self, paths: Sequence[Path]) -> None:
        """Removes many objects. Raises StoreUnavailable if any of them remains, after trying all."""
        most = 0 if len(paths) <= FEW else min(self._account.limits().max_deletes, MOST_AT_ONCE)
        if not most:
            self._side_by_side(paths)
            return
        for start in range(0, len(paths), most):
            self._side_by_side(self._account.delete_in_bulk(paths[start : start + most]))

    def _side_by_side(self, paths: Iterable[Path]) -> None:
        remaining = list(paths)
        if not remaining:
            return
        with ThreadPoolExecutor(min(self._concurrency, len(remaining)), thread_name_prefix="imgstore-delete") as pool:
            ends = pool.map(handed_down(self._failure_of), remaining)
            failures = [failure for failure in ends if failure is not None]
        if failures:
            LOG.warning("Could not remove %s of %s segments.", len(failures), len(remaining))
            raise failures[0]

    def _failure_of(self, path: Path) -> errors.ImgstoreError | None:
        try:
            self.single(path)
        except errors.ImgstoreError as error:
            return error
        return None
