"""The proof that a store works: a token, the containers, and an object that can be stored, read and removed in them.
The first check makes a large one too, since servers with Swift's API differ there.

Nothing is created: a missing container may be one that somebody took away.

Right blame: what an operator can cure by an option is a ConfigurationError, a cluster that is down is StoreUnavailable.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from urllib.parse import quote

from imgstore import errors
from imgstore.driver.translate import OnFailure
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.answers import BLOCK
from imgstore.drivers.swift.cluster_limits import Limits
from imgstore.drivers.swift.containers import Containers, missing
from imgstore.drivers.swift.errors import NotAsConfigured
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
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.drivers.swift.reader import Range, open_reader
from imgstore.drivers.swift.writer import PLAIN

PROBE_KEY = "0" * 32
_CONTENT = b"imgstore"
_ACROSS = 4
"""Bytes before and behind the border of two segments that are read."""


def _blame(error: BaseException) -> None:
    if isinstance(error, NotAsConfigured):
        raise error.as_configuration() from None


configuration_blamed = OnFailure(_blame)
"""Inside, what the configuration is to blame for becomes a ConfigurationError."""


class Check:
    """Proves one account. `owner` tells what the names of the store's own segments have."""

    def __init__(
        self, account: AccountClient, containers: Containers, options: SwiftOptions, owner: Callable[[], str | None]
    ) -> None:
        self._account = account
        self._containers = containers
        self._options = options
        self._owner = owner
        self._large_proved = False

    def run(self) -> None:
        """Raises NotAsConfigured, StoreError."""
        prove(self._account, self._containers, self._options)
        if not (self._large_proved or self._containers.own):
            self._large_proved = prove_large(self._account, self._containers, self._owner())


def prove(account: AccountClient, containers: Containers, options: SwiftOptions) -> None:
    """Stores, reads and removes a small object that no listing of images shows. Raises NotAsConfigured, StoreError."""
    _expect_policy(options.storage_policy, account.limits())
    if containers.own:
        account.head_account()
        return
    others = () if options.create_container else containers.pair(PROBE_KEY)
    for container in dict.fromkeys((*containers.fixed(), *others)):
        needed = container == containers.main or not options.create_container
        _probe(account, (container, f".imgstore-probe-{secrets.token_hex(8)}"), needed=needed)


def _probe(account: AccountClient, path: Path, *, needed: bool) -> None:
    """A container that is not `needed` is created when first used."""
    try:
        account.put(path, memoryview(_CONTENT), action="storing a probe", headers=PLAIN)
    except errors.ObjectNotFound:
        if needed:
            raise missing(path[0]) from None
        return
    try:
        _expect_content(account, path)
    finally:
        account.delete(path)


def prove_large(account: AccountClient, containers: Containers, owner: str | None) -> bool:
    """Makes a large object of two segments, reads both by one range of the object with its ETag, and removes it.
    False where there is no container of segments yet. Raises StoreError."""
    home, *others = containers.fixed()
    path, attempt = (home, f".imgstore-probe-{secrets.token_hex(8)}"), new_attempt(owner)
    size = max(account.limits().smallest_segment, len(_CONTENT))
    segments = [
        Segment((*others, home)[0], segment_name(path[1], attempt, number), len(piece), md5_of(piece))
        for number, piece in enumerate((bytes(size), _CONTENT), start=1)
    ]
    with contextlib.ExitStack() as undo:
        for segment, piece in zip(segments, (bytes(size), _CONTENT), strict=True):
            undo.callback(_remove, account, segment.path)
            try:
                account.put(segment.path, memoryview(piece), action="storing a probe", headers=PLAIN)
            except errors.ObjectNotFound:
                return False
        undo.callback(_remove, account, path)
        headers = {**PLAIN, ATTEMPT: attempt, CONTAINER: quote(segments[0].container)}
        account.put_manifest(path, manifest_of(segments), heartbeat=False, headers=headers, refusals={})
        _expect_whole(account, path, segments)
    return True


def _expect_whole(account: AccountClient, path: Path, segments: Sequence[Segment]) -> None:
    border, etag = segments[0].size, etag_of([segment.etag for segment in segments])
    wanted = Range(border - _ACROSS, border + _ACROSS, etag)
    with open_reader(account, path, wanted, block_size=BLOCK, concurrency=1) as reader:
        reader._arm(border - _ACROSS, border + _ACROSS)  # as the base class does, for which a probe's name is no key
        found = b"".join(iter(lambda: reader.read(2 * _ACROSS), b""))
    if found != bytes(_ACROSS) + _CONTENT[:_ACROSS]:
        raise errors.IntegrityError("The store does not give back a large object.")
    if list(segments_in(account, path, account.head(path))) != list(segments):
        raise errors.IntegrityError("The store does not tell the segments of a large object.")


def _remove(account: AccountClient, path: Path) -> None:
    with contextlib.suppress(errors.ObjectNotFound):
        account.delete(path)


def _expect_policy(policy: str | None, limits: Limits) -> None:
    known = limits.policies
    if policy is not None and known is not None and policy.lower() not in {name.lower() for name in known}:
        raise NotAsConfigured(
            "storage_policy", f"the cluster has no policy '{policy}'.", f"Use one of: {', '.join(known)}."
        )


def _expect_content(account: AccountClient, path: Path) -> None:
    if account.fetch(path) != _CONTENT:
        raise errors.IntegrityError("The store does not give back what was written.")
