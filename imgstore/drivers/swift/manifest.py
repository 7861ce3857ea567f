"""Static large objects: the names of segments, the manifest that puts them together, and what is in a manifest.

Only the owner acts: segments are named by the attempt that writes them, so that two attempts never mix and a shorter
retry never takes over what another one left. The object's metadata name the attempt and its container, so that the
segments are found where a server does not show the manifest (Ceph's gateway). The name says too whose the attempt is,
by the beginning of the store's mark, and in which container its manifest is: so a listing tells a store's segments from
its neighbour's, and whether one is in use can be asked whatever the configuration says by then. Accounted for: the
manifest has every segment's size and ETag, which Swift compares.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from imgstore import errors
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import NO_HEADERS, Headers, etag_in
from imgstore.drivers.swift.options import SEGMENTS

_SEGMENT = re.compile(
    r"(?P<key>[^/]+)/(?P<attempt>(?P<started>[0-9]{10})-[0-9a-f]{16}"
    r"(?:-(?P<owner>[0-9a-f]{12})-(?P<letters>[0-9]{2}))?)/[0-9]{8}"
)
ATTEMPT = "x-object-meta-imgstore-attempt"
CONTAINER = "x-object-meta-imgstore-segments"
"""Which attempt wrote an object, and the container of its segments, quoted."""
_OWNER = 12
"""Letters of a store's mark that tell its segments."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as the names of its segments tell it. `started` in seconds since the epoch; `owner`: the beginning of
    its store's mark, None where it had none; `letters` of the key in the name of the manifest's container."""

    key: str
    name: str
    started: int
    owner: str | None
    letters: int

    @property
    def prefix(self) -> str:
        """How the names of its segments begin."""
        return f"{self.key}/{self.name}/"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was stored, as a manifest has it."""

    container: str
    name: str
    size: int
    etag: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.container, self.name


def new_attempt(owner: str | None = None, letters: int = 0) -> str:
    """A name for one attempt: when it began, in seconds since the epoch, a random part, whose it is and where."""
    name = f"{int(time.time()):010d}-{secrets.token_hex(8)}"
    return name if owner is None else f"{name}-{owner}-{letters:02d}"


def owner_of(mark: str | None) -> str | None:
    """What the attempts of a store with this mark have in their names."""
    return None if mark is None else mark[:_OWNER]


def segment_name(key: str, attempt: str, number: int) -> str:
    """The name of a segment in the container of segments."""
    return f"{key}/{attempt}/{number:08d}"


def attempt_of(name: str) -> Attempt | None:
    """The attempt in a segment's name; None for a name that this driver never gives."""
    match = _SEGMENT.fullmatch(name)
    if match is None:
        return None
    return Attempt(match["key"], match["attempt"], int(match["started"]), match["owner"], int(match["letters"] or 0))


def md5_of(data: bytes | memoryview) -> str:
    """The ETag that Swift gives to an object with these bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def etag_of(etags: Sequence[str]) -> str:
    """The ETag that Swift gives to an object whose segments have these."""
    return md5_of("".join(etags).encode())


def manifest_of(segments: Sequence[Segment]) -> bytes:
    """The manifest as it is sent."""
    lines = [
        {"path": f"/{segment.container}/{segment.name}", "etag": segment.etag, "size_bytes": segment.size}
        for segment in segments
    ]
    return json.dumps(lines).encode()


def is_static(headers: Headers) -> bool:
    """Whether the object is a static large one."""
    return headers.get("x-static-large-object", "").lower() == "true"


def segments_in(account: AccountClient, path: Path, headers: Headers = NO_HEADERS) -> Iterator[Segment]:
    """Every object that a manifest names: segments, and manifests inside it behind their own segments. `headers` are
    the object's. Raises IntegrityError where the server does not show the manifest and the segments are not known."""
    lines = account.fetch_manifest(path)
    if lines is None:
        yield from _by_attempt(account, path, headers)
    for line in lines or ():
        if "name" not in line:
            continue
        segment = _segment(line)
        if line.get("sub_slo"):
            yield from segments_in(account, segment.path)
        yield segment


def pieces_in(account: AccountClient, path: Path, headers: Headers = NO_HEADERS) -> Iterator[Segment]:
    """The segments that make up the object's bytes, in order. Raises StoreUnavailable where another program's manifest
    has parts of segments, or bytes of its own; IntegrityError as `segments_in`."""
    lines = account.fetch_manifest(path)
    if lines is None:
        yield from _by_attempt(account, path, headers)
    for line in lines or ():
        if "range" in line or "name" not in line:
            raise errors.StoreUnavailable("The object's manifest is of a kind that cannot be copied.")
        segment = _segment(line)
        if line.get("sub_slo"):
            yield from pieces_in(account, segment.path)
        else:
            yield segment


def _by_attempt(account: AccountClient, path: Path, headers: Headers) -> list[Segment]:
    """The segments of an object of this driver, by their attempt's name. They are the object's if their ETags add up to
    its own."""
    attempt = headers.get(ATTEMPT)
    container = unquote(headers.get(CONTAINER, "")) or path[0] + SEGMENTS
    listed = account.objects(container, prefix=f"{path[1]}/{attempt}/") if attempt else ()
    found = [Segment(container, each.name, each.size, each.etag) for each in listed]
    if etag_of([each.etag for each in found]) != etag_in(headers):
        raise errors.IntegrityError("The manifest of the object cannot be read, and its segments are not known.")
    return found


def _segment(line: dict[str, Any]) -> Segment:
    container, _, name = str(line["name"]).lstrip("/").partition("/")
    return Segment(container, name, int(line["bytes"]), str(line["hash"]))
