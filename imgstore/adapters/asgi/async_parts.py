"""A host's catalog or quota of coroutine functions, as the library's threads call it.

`UploadService(stores, catalog=AsyncCatalog(mine), quota=AsyncQuota(my_quota))`: each call goes to the event loop that
serves the request (`imgstore.adapters.asgi.bridge`). A function that is no coroutine function is called on the thread.

A call costs the way to the loop and back, and waits for whatever the loop does. So `confirm`, if it is a coroutine
function, is not asked while bytes arrive, only before the commit. A quota is asked for each chunk whose size was not
declared: let its hold grow in large steps, or be a plain function.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from imgstore.adapters.asgi.bridge import TIMEOUT, Bridge
from imgstore.catalog import CopyCatalog, ImageCatalog, ImageSource
from imgstore.host_answers import require
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from imgstore.quota import Hold, Quota

T = TypeVar("T")
Answer: TypeAlias = "Awaitable[T] | T"


class AsyncImageCatalog(Protocol):
    """`imgstore.catalog.ImageCatalog` and `ImageSource`, of coroutine functions."""

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Answer[Attempt]:
        """See ImageCatalog."""

    def activate(self, attempt: Attempt, result: UploadResult) -> Answer[None]:
        """See ImageCatalog."""

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> Answer[None]:
        """See ImageCatalog."""

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> Answer[bool]:
        """See ImageCatalog."""

    def find(self, image_id: str, context: object = None) -> Answer[StoredImage]:
        """See ImageSource."""


class AsyncCopies(AsyncImageCatalog, Protocol):
    """The same with `CopyCatalog`."""

    def begin_copy(
        self, image_id: str, stores: Sequence[str], context: object = None
    ) -> Answer[tuple[Attempt, StoredImage]]:
        """See CopyCatalog."""

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> Answer[None]:
        """See CopyCatalog."""


class AsyncHold(Protocol):
    """`imgstore.quota.Hold`, of coroutine functions."""

    def extend_to(self, total: int) -> Answer[None]:
        """See Hold."""

    def settle(self, actual: int) -> Answer[None]:
        """See Hold."""

    def release(self) -> Answer[None]:
        """See Hold."""


class AsyncQuotas(Protocol):
    """`imgstore.quota.Quota`, of coroutine functions."""

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Answer[AsyncHold]:
        """See Quota."""

    def give_back(self, owner: str, location: Location, size: int) -> Answer[None]:
        """See Quota."""


class AsyncCatalog:
    """An ImageCatalog and ImageSource over `catalog`. `loop`: where its coroutines are awaited, if that is not the loop
    of the request (threads of the host's own have none); `timeout`: seconds for each call."""

    def __init__(
        self, catalog: AsyncImageCatalog, *, loop: asyncio.AbstractEventLoop | None = None, timeout: float = TIMEOUT
    ) -> None:
        for protocol in (ImageCatalog, ImageSource):
            require(catalog, protocol, coroutines=True)
        self.__wrapped__ = catalog
        self._bridge = Bridge(loop, timeout=timeout)
        self._asks_early = not inspect.iscoroutinefunction(catalog.confirm)

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return self._bridge.call(self.__wrapped__.begin, request, stores)

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        return self._bridge.call(self.__wrapped__.activate, attempt, result)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        if certain or self._asks_early:
            return self._bridge.call(self.__wrapped__.confirm, attempt, certain=certain)
        return None

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return self._bridge.call(self.__wrapped__.release, attempt, unremoved)

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return self._bridge.call(self.__wrapped__.find, image_id, context)


class AsyncCopyCatalog(AsyncCatalog):
    """The same, and a CopyCatalog."""

    def __init__(
        self, catalog: AsyncCopies, *, loop: asyncio.AbstractEventLoop | None = None, timeout: float = TIMEOUT
    ) -> None:
        require(catalog, CopyCatalog, coroutines=True)
        super().__init__(catalog, loop=loop, timeout=timeout)
        self._copies = catalog

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        return self._bridge.call(self._copies.begin_copy, image_id, stores, context)

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        return self._bridge.call(self._copies.add_locations, attempt, locations)


class AsyncQuota:
    """A Quota over `quota`; `loop` and `timeout` as for AsyncCatalog."""

    def __init__(
        self, quota: AsyncQuotas, *, loop: asyncio.AbstractEventLoop | None = None, timeout: float = TIMEOUT
    ) -> None:
        require(quota, Quota, coroutines=True)
        self.__wrapped__ = quota
        self._bridge = Bridge(loop, timeout=timeout)

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        hold = self._bridge.call(self.__wrapped__.reserve, attempt, store, size)
        require(hold, Hold, made_by=self.__wrapped__.reserve, coroutines=True)
        return _Hold(hold, self._bridge)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        return self._bridge.call(self.__wrapped__.give_back, owner, location, size)


class _Hold:
    def __init__(self, hold: AsyncHold, bridge: Bridge) -> None:
        self.__wrapped__ = hold
        self._bridge = bridge

    def extend_to(self, total: int) -> None:
        return self._bridge.call(self.__wrapped__.extend_to, total)

    def settle(self, actual: int) -> None:
        return self._bridge.call(self.__wrapped__.settle, actual)

    def release(self) -> None:
        return self._bridge.call(self.__wrapped__.release)


def in_loop(part: object, *, loop: asyncio.AbstractEventLoop | None = None, timeout: float = TIMEOUT) -> Any:
    """Any other part of a host's, of coroutine functions: an object with the same attributes, whose functions are
    called through the bridge. `loop` and `timeout` as for AsyncCatalog."""
    return _Part(part, Bridge(loop, timeout=timeout))


class _Part:
    def __init__(self, part: object, bridge: Bridge) -> None:
        self.__wrapped__ = part
        self._bridge = bridge

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self.__wrapped__, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: object, **kwargs: object) -> object:
            return self._bridge.call(found, *args, **kwargs)

        return call
