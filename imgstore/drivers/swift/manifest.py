"""Static large objects: the names of segments, the manifest that puts them together, and what Swift says to it.

Law 8: segments are named by the attempt that writes them, so that two attempts never mix and a shorter retry never
picks up what another left. Law 10: the manifest has every segment's size and ETag, which Swift compares, and Swift's
own ETag of the whole, the md5 of the segments' ETags, is compared with ours.
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
from urllib.parse import quote

from swiftclient import client  # type: ignore[import-untyped]  # it comes without types
from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # the same

from imgstore import errors
from imgstore.drivers.swift.account import Account, Headers, Path
from imgstore.drivers.swift.auth import Access
from imgstore.drivers.swift.connections import HttpConnection
from imgstore.drivers.swift.errors import Refusals

MANY = 64
"""From so many segments on Swift is asked to show that it is still at work: it looks at every one of them."""

_SEGMENT = re.compile(r"(?P<key>[^/]+)/(?P<attempt>(?P<started>[0-9]{10})-[0-9a-f]{16})/[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was stored, as a manifest has it."""

    container: str
    name: str
    size: int
    etag: str


def new_attempt() -> str:
    """The name of one attempt: when it began, in seconds since the epoch, and what no other has."""
    return f"{int(time.time()):010d}-{secrets.token_hex(8)}"


def segment_name(key: str, attempt: str, number: int) -> str:
    """The name of a segment in the container of segments."""
    return f"{key}/{attempt}/{number:08d}"


def attempt_of(name: str) -> tuple[str, str, int] | None:
    """Key, attempt and when that began, of a segment's name; None for a name that this driver never gives."""
    match = _SEGMENT.fullmatch(name)
    return None if match is None else (match["key"], match["attempt"], int(match["started"]))


def etag_of(segments: Sequence[Segment]) -> str:
    """What Swift will call the whole object's ETag."""
    return hashlib.md5("".join(segment.etag for segment in segments).encode(), usedforsecurity=False).hexdigest()


def manifest_of(segments: Sequence[Segment]) -> bytes:
    """The manifest as it is sent."""
    lines = [
        {"path": f"/{segment.container}/{segment.name}", "etag": segment.etag, "size_bytes": segment.size}
        for segment in segments
    ]
    return json.dumps(lines).encode()


def put_manifest(
    account: Account, path: Path, segments: Sequence[Segment], *, headers: Headers, refusals: Refusals
) -> Headers:
    """Makes one object of all segments; what the answer says of it. By swiftclient's connection, not its put_object,
    which throws away the body of the answer: with many segments the real status is in there, behind 202."""
    manifest = manifest_of(segments)
    query = "multipart-manifest=put" + ("&heartbeat=on" if len(segments) >= MANY else "")

    def send(access: Access, connection: HttpConnection) -> Headers:
        parsed, http = connection
        target = "/".join((parsed.path.rstrip("/"), *map(quote, path)))
        http.putrequest(f"{target}?{query}", manifest, {**headers, "X-Auth-Token": access.token})
        answer = http.getresponse()
        body = answer.read()
        told = _told(body) if answer.status == 202 else {}
        status = int(str(told.get("Response Status", answer.status))[:3])
        if not 200 <= status < 300:
            raise ClientException("The manifest was refused", http_status=status, http_response_content=body)
        return {**client.resp_header_dict(answer), **({"etag": told["Etag"]} if "Etag" in told else {})}

    return account.ask("putting the segments together", send, refusals=refusals)


def segments_in(account: Account, path: Path) -> Iterator[Segment]:
    """Every object that a manifest names: segments, and manifests inside it behind their own segments."""
    for line in _lines(account, path):
        if "name" not in line:
            continue
        segment = _segment(line)
        if line.get("sub_slo"):
            yield from segments_in(account, (segment.container, segment.name))
        yield segment


def pieces_in(account: Account, path: Path) -> Iterator[Segment]:
    """The segments that make up the object's bytes, in order. Raises StoreUnavailable for a manifest of another
    program's that has parts of segments, or bytes of its own."""
    for line in _lines(account, path):
        if "range" in line or "name" not in line:
            raise errors.StoreUnavailable("The object's manifest is of a kind that cannot be copied.")
        segment = _segment(line)
        if line.get("sub_slo"):
            yield from pieces_in(account, (segment.container, segment.name))
        else:
            yield segment


def _lines(account: Account, path: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(account.fetch(path, query="multipart-manifest=get").body)
    except ValueError:
        raise errors.IntegrityError("The manifest of the object cannot be read.") from None
    return found


def _segment(line: dict[str, Any]) -> Segment:
    container, _, name = str(line["name"]).lstrip("/").partition("/")
    return Segment(container, name, int(line["bytes"]), str(line["hash"]))


def _told(body: bytes) -> dict[str, Any]:
    """The answer that follows the signs of life."""
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError:
        raise errors.StoreUnavailable("Image storage is not available (its answer broke off).") from None
    return found
