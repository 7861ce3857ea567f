"""A catalog and a quota of coroutine functions that recover: what `async_parts` has, and what a Keeper asks.

`LeasedCatalog(AsyncHostCatalog(mine, loop=loop))`, and `Keeper(..., AsyncHostQuota(my_quota, loop=loop))`. The keeper's
threads serve no request, so they need the loop that serves the host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from imgstore.adapters.asgi.async_parts import (
    Answer,
    AsyncCatalog,
    AsyncCopies,
    AsyncCopyCatalog,
    AsyncImageCatalog,
    AsyncQuota,
    AsyncQuotas,
)
from imgstore.adapters.asgi.bridge import TIMEOUT
from imgstore.host_answers import require
from imgstore.hosting import DeadAttempt, KeptCatalog, KeptQuota, ObjectId, Removal, Standing
from imgstore.model import Attempt


class AsyncKept(AsyncImageCatalog, Protocol):
    """`imgstore.hosting.KeptCatalog`, of coroutine functions. `lease` is a value."""

    @property
    def lease(self) -> float:
        """See KeptCatalog."""

    def renew(self, attempts: Sequence[Attempt]) -> Answer[Collection[Attempt]]:
        """See KeptCatalog."""

    def expired(self) -> Answer[Sequence[DeadAttempt]]:
        """See KeptCatalog."""

    def take_back(self, dead: DeadAttempt) -> Answer[bool]:
        """See KeptCatalog."""

    def removals(self, image_id: str | None = None) -> Answer[Sequence[Removal]]:
        """See KeptCatalog."""

    def removed(self, removal: Removal) -> Answer[None]:
        """See KeptCatalog."""

    def standings(self, store: str, keys: Iterable[str]) -> Answer[Mapping[str, Standing]]:
        """See KeptCatalog."""


class AsyncKeptCopies(AsyncKept, AsyncCopies, Protocol):
    """The same with `CopyCatalog`."""


class AsyncKeptQuotas(AsyncQuotas, Protocol):
    """`imgstore.hosting.KeptQuota`, of coroutine functions."""

    def expired(self) -> Answer[Sequence[ObjectId]]:
        """See KeptQuota."""

    def held(self) -> Answer[Sequence[ObjectId]]:
        """See KeptQuota."""

    def settle(self, object_id: ObjectId, size: int) -> Answer[object]:
        """See KeptQuota."""

    def release(self, object_id: ObjectId) -> Answer[object]:
        """See KeptQuota."""

    def forget(self, object_id: ObjectId) -> Answer[object]:
        """See KeptQuota."""


class AsyncHostCatalog(AsyncCatalog):
    """A HostCatalog over `catalog`; `loop` and `timeout` as for AsyncCatalog."""

    def __init__(self, catalog: AsyncKept, *, loop: asyncio.AbstractEventLoop, timeout: float = TIMEOUT) -> None:
        require(catalog, KeptCatalog, coroutines=True)
        super().__init__(catalog, loop=loop, timeout=timeout)
        self._kept = catalog

    @property
    def lease(self) -> float:
        return self._kept.lease

    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        return self._bridge.call(self._kept.renew, attempts)

    def expired(self) -> Sequence[DeadAttempt]:
        return self._bridge.call(self._kept.expired)

    def take_back(self, dead: DeadAttempt) -> bool:
        return self._bridge.call(self._kept.take_back, dead)

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        return self._bridge.call(self._kept.removals, image_id)

    def removed(self, removal: Removal) -> None:
        return self._bridge.call(self._kept.removed, removal)

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        return self._bridge.call(self._kept.standings, store, keys)


class AsyncHostCopyCatalog(AsyncHostCatalog, AsyncCopyCatalog):
    """The same, and a CopyCatalog."""

    def __init__(self, catalog: AsyncKeptCopies, *, loop: asyncio.AbstractEventLoop, timeout: float = TIMEOUT) -> None:
        super().__init__(catalog, loop=loop, timeout=timeout)


class AsyncHostQuota(AsyncQuota):
    """A KeptQuota over `quota`, too."""

    def __init__(self, quota: AsyncKeptQuotas, *, loop: asyncio.AbstractEventLoop, timeout: float = TIMEOUT) -> None:
        require(quota, KeptQuota, coroutines=True)
        super().__init__(quota, loop=loop, timeout=timeout)
        self._kept = quota

    def expired(self) -> Sequence[ObjectId]:
        return self._bridge.call(self._kept.expired)

    def held(self) -> Sequence[ObjectId]:
        return self._bridge.call(self._kept.held)

    def settle(self, object_id: ObjectId, size: int) -> object:
        return self._bridge.call(self._kept.settle, object_id, size)

    def release(self, object_id: ObjectId) -> object:
        return self._bridge.call(self._kept.release, object_id)

    def forget(self, object_id: ObjectId) -> object:
        return self._bridge.call(self._kept.forget, object_id)
