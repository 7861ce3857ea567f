"""What the cluster says of itself at /info: how large, how many, which extras. Asked for once, when first needed.

Where it says nothing (`expose_info = false`, some gateways) Swift's defaults hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imgstore.driver.part_sizes import PartSizes
from imgstore.driver.shared import Kept, Shared
from imgstore.drivers.swift.options import LARGEST_SEGMENT, SwiftOptions
from imgstore.model import MIB

MAX_SEGMENTS = 1000
MAX_MANIFEST = 8 * 1024**2
LONGEST_LINE = 640
"""Bytes of a manifest that one segment takes at most: two containers' and a key's names, digests, punctuation."""
LEAST_STEP = 4 * MIB
"""The least difference in bytes between segments that are to end at different times. With less, many segments at a time
would begin with many small ones, and each costs a request."""
MAX_DELETES = 10_000
DIGESTS = ("sha256", "sha1", "sha512")


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. `max_deletes`: names in one bulk deletion, 0 where there is none. `digests`: of temporary URLs,
    the best first, none where there are none. `policies`: names of the storage policies, None if unknown.
    `is_swift`: whether it tells of manifests what OpenStack's own Swift tells. Of others it is not expected that they
    honour `If-None-Match`, or list a large object with its own size; Ceph's gateway does neither."""

    max_object: int
    max_segments: int
    smallest_segment: int
    max_deletes: int
    digests: tuple[str, ...]
    policies: tuple[str, ...] | None
    is_swift: bool

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Limits:
        """The limits in an answer of /info, which may be empty."""
        swift, slo, bulk = (info.get(name) or {} for name in ("swift", "slo", "bulk_delete"))
        manifest = int(slo.get("max_manifest_size", MAX_MANIFEST)) // LONGEST_LINE
        policies = swift.get("policies")
        return cls(
            max_object=int(swift.get("max_file_size", LARGEST_SEGMENT)),
            max_segments=max(1, min(int(slo.get("max_manifest_segments", MAX_SEGMENTS)), manifest)),
            smallest_segment=int(slo.get("min_segment_size", 1)),
            max_deletes=int(bulk.get("max_deletes_per_request", MAX_DELETES)) if bulk else 0,
            digests=_digests(info),
            policies=None if policies is None else tuple(name for policy in policies for name in _names(policy)),
            is_swift="min_segment_size" in slo,
        )

    def threshold(self, options: SwiftOptions) -> int:
        """Bytes up to which an image is one object."""
        return min(options.largest_small, self.max_object)

    def sizes(self, options: SwiftOptions, size: int | None) -> PartSizes:
        """The segments of an image of `size` bytes (None: unknown). Raises StoreFull for one that is too large."""
        segment = min(max(options.segment_size, self.smallest_segment), self.max_object)
        all_of_them = self.max_segments * self.max_object
        largest = all_of_them if size is not None else min(options.largest_unknown_size, all_of_them)
        sizes = PartSizes.for_size(
            size, part_size=segment, most=self.max_segments, largest=largest, ceiling=self.max_object
        )
        steps = segment // max(LEAST_STEP, self.smallest_segment)
        return sizes.staggered(max(1, min(options.concurrency, steps)), size=size)


class Cluster:
    """One cluster, whose limits are asked for once, by whichever thread and account needs them first. Nobody waits for
    them longer than `patience` seconds."""

    def __init__(self, *, patience: float) -> None:
        self._limits: Shared[Limits] = Shared("limits", patience=patience)
        self.keeps: bool | None = None
        """Whether `If-None-Match` is honoured, as a check found out."""
        self.pins_large_objects = True
        """Whether `If-Match` compares a large object's ETag; False once that of a manifest was seen to be compared."""

    def limits(self, info: Callable[[], Mapping[str, Any]]) -> Limits:
        """The limits; `info` asks for them. Raises StoreUnavailable."""
        return self._limits.get(lambda: Kept(Limits.of(info())))


def _names(policy: Mapping[str, Any]) -> list[str]:
    """A policy may have several."""
    return [name.strip() for name in str(policy.get("aliases") or policy["name"]).split(",")]


def _digests(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Swift tells them; Ceph's gateway has temporary URLs and does not tell that it takes SHA-1 only."""
    if not info:
        return DIGESTS[:1]
    if "tempurl" not in info:
        return ()
    told = info["tempurl"].get("allowed_digests", ("sha1",))
    return tuple(each for each in DIGESTS if each in told)
