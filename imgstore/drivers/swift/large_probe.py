"""A large object that a check makes, and what it tells of the server: servers with Swift's API differ there.

Two segments and a manifest. Both segments are read by one range of the object with its ETag, the segments are told, and
the object is not replaced by another, or else the driver looks before it stores one.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from imgstore import errors
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import BLOCK
from imgstore.drivers.swift.cluster_limits import Limits
from imgstore.drivers.swift.manifest import (
    ATTEMPT,
    CONTAINER,
    Segment,
    etag_of,
    manifest_of,
    md5_of,
    new_attempt,
    segment_name,
    segments_in,
)
from imgstore.drivers.swift.reader import Range, open_reader
from imgstore.drivers.swift.writer import PLAIN, taken

_CONTENT = b"imgstore"
_ACROSS = 4
"""Bytes before and behind the border of two segments that are read."""
_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Facts:
    """What is true of a server."""

    keeps: bool
    pins: bool
    shows: bool
    lists_sizes: bool

    def told(self, limits: Limits) -> Mapping[str, str]:
        """The same in words."""
        return {
            "If-None-Match is honoured": _WORDS[self.keeps],
            "If-Match compares a large object's ETag": _WORDS[self.pins],
            "manifests are shown": _WORDS[self.shows],
            "listings have a large object's size": _WORDS[self.lists_sizes],
            "bulk deletion": _WORDS[limits.max_deletes > 0],
        }


def facts_of_large_object(account: AccountClient, home: str, segments: str, owner: str | None) -> Facts | None:
    """Makes it in the container `home`, its segments in `segments`, and removes both. None where there is no container
    of segments yet. Raises StoreError."""
    path, attempt = (home, f".imgstore-probe-{secrets.token_hex(8)}"), new_attempt(owner)
    pieces = (bytes(max(account.limits().smallest_segment, len(_CONTENT))), _CONTENT)
    parts = [
        Segment(segments, segment_name(path[1], attempt, number), len(piece), md5_of(piece))
        for number, piece in enumerate(pieces, start=1)
    ]
    with contextlib.ExitStack() as undo:
        for part, piece in zip(parts, pieces, strict=True):
            undo.callback(_remove, account, part.path)
            try:
                account.put(part.path, memoryview(piece), action="storing a probe", headers=PLAIN)
            except errors.ObjectNotFound:
                return None
        undo.callback(_remove, account, path)
        headers = {**PLAIN, ATTEMPT: attempt, CONTAINER: quote(segments)}
        account.put_manifest(path, manifest_of(parts), heartbeats=0, headers=headers, refusals={})
        return _facts(account, path, parts, headers)


def _facts(account: AccountClient, path: Path, parts: Sequence[Segment], headers: Mapping[str, str]) -> Facts:
    _expect_whole(account, path, parts)
    keeps = _keeps(account, path, parts, headers)
    account.knows_whether_it_keeps(keeps)
    return Facts(
        keeps=keeps,
        pins=account.pins_large_objects,
        shows=account.fetch_manifest(path) is not None,
        lists_sizes=_listed_size(account, path) in (sum(part.size for part in parts), None),
    )


def _listed_size(account: AccountClient, path: Path) -> int | None:
    """None where the listing lags."""
    return next((each.size for each in account.objects(path[0], prefix=path[1])), None)


def _keeps(account: AccountClient, path: Path, parts: Sequence[Segment], headers: Mapping[str, str]) -> bool:
    """Whether the server refuses to replace it."""
    condition = {**headers, "If-None-Match": "*"}
    try:
        account.put_manifest(path, manifest_of(parts), heartbeats=0, headers=condition, refusals={412: taken()})
    except errors.ObjectExists:
        return True
    return False


def _expect_whole(account: AccountClient, path: Path, parts: Sequence[Segment]) -> None:
    border, etag = parts[0].size, etag_of([part.etag for part in parts])
    wanted = Range(border - _ACROSS, border + _ACROSS, etag)
    with open_reader(account, path, wanted, block_size=BLOCK, concurrency=1) as reader:
        reader._arm(border - _ACROSS, border + _ACROSS)  # as the base class does, for which a probe's name is no key
        found = b"".join(iter(lambda: reader.read(2 * _ACROSS), b""))
    if found != bytes(_ACROSS) + _CONTENT[:_ACROSS]:
        raise errors.IntegrityError("The store does not give back a large object.")
    if list(segments_in(account, path, account.head(path))) != list(parts):
        raise errors.IntegrityError("The store does not tell the segments of a large object.")


def _remove(account: AccountClient, path: Path) -> None:
    with contextlib.suppress(errors.ObjectNotFound):
        account.delete(path)
