"""A world with several stores in memory, each of which can be told what happens at its hooks."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence

from imgstore.catalog import ImageCatalog, MemoryCatalog
from imgstore.driver import ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo, UploadRequest, UploadResult
from imgstore.quota import MemoryQuota
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import ALL, UploadSettings
from imgstore.transfers.fanout import DEFAULT_WINDOW
from imgstore.transfers.session import UploadSession
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadService
from tests.core.world import IMAGE, OWNER, digest_threads

NAMES = ("fast", "cold", "far")
HOOKS = ("url", "open", "write", "commit", "committed", "abort", "delete")
"""`committed` comes after the object is there, and before its writer hears of it."""


class HookedStore(MemoryDriver):
    """Calls what a test put under the name of a hook, on whichever thread it is, and notes the calls."""

    def __init__(self, *, capacity: int | None = None) -> None:
        super().__init__(capacity=capacity)
        self.hooks: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []
        self.chunks: list[bytes | memoryview] = []
        self.threads: set[str] = set()

    def fails(self, hook: str, error: BaseException, *, after: int = 0) -> None:
        """At `hook`, but for the first `after` times."""
        left = [after]

        def act() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise copy.copy(error)  # its `store` is filled in

        self.hooks[hook] = act

    def happens(self, hook: str) -> None:
        self.calls.append(hook)
        if hook in self.hooks:
            self.hooks[hook]()

    def url(self, key: str) -> str:
        self.happens("url")
        return super().url(key)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        self.happens("open")
        return _HookedWriter(self, super()._open_writer(key, size))

    def _delete(self, key: str) -> None:
        self.happens("delete")
        super()._delete(key)


class _HookedWriter(ObjectWriter):
    def __init__(self, store: HookedStore, inner: ObjectWriter) -> None:
        self._store = store
        self._inner = inner

    def _write(self, chunk: bytes | memoryview) -> None:
        self._store.threads.add(threading.current_thread().name)
        self._store.happens("write")
        self._store.chunks.append(chunk if isinstance(chunk, bytes) else b"")
        self._inner._write(chunk)

    def _commit(self) -> ObjectInfo:
        self._store.happens("commit")
        info = self._inner._commit()
        self._store.happens("committed")
        return info

    def _abort(self) -> None:
        self._store.happens("abort")
        self._inner._abort()


class SeveralStores:
    """One host with the stores of NAMES."""

    def __init__(
        self,
        mode: str = ALL,
        *,
        limit: int | None = None,
        largest: int | None = None,
        window: int = DEFAULT_WINDOW,
        capacities: dict[str, int] | None = None,
        taps: Sequence[TapFactory] = (),
        catalog: ImageCatalog | None = None,
        read_only: Sequence[str] = (),
    ) -> None:
        self.rows = MemoryCatalog()
        self.rows.create(IMAGE, owner=OWNER)
        self.ledger = MemoryQuota(lambda owner: limit)
        self.drivers = {name: HookedStore(capacity=(capacities or {}).get(name)) for name in NAMES}
        stores = [Store(name, driver, read_only=name in read_only) for name, driver in self.drivers.items()]
        self.stores = StoreSet(stores, default="fast")
        self.settings = UploadSettings(max_image_size=largest, several_stores=mode, stores_window=window)
        self.service = UploadService(
            self.stores, catalog=catalog or self.rows, quota=self.ledger, settings=self.settings, taps=taps
        )

    def begin(self, *names: str, size: int | None = None) -> UploadSession:
        return self.service.begin(UploadRequest(IMAGE, stores=names or NAMES, size=size))

    def upload(
        self, chunks: Iterable[bytes | bytearray | memoryview], *names: str, size: int | None = None
    ) -> UploadResult:
        with self.begin(*names, size=size) as session:
            for chunk in chunks:
                session.write(chunk)
            return session.finish()

    def heal(self) -> None:
        """From now on nothing fails."""
        for driver in self.drivers.values():
            driver.hooks.clear()

    @property
    def status(self) -> str:
        return self.rows.find(IMAGE).status

    def objects(self) -> dict[str, bytes]:
        """What the stores hold, by `store/key`."""
        return {
            f"{name}/{key}": driver.storage.get(key).data
            for name, driver in self.drivers.items()
            for key in driver.storage.names()
        }

    @property
    def quota(self) -> tuple[int, int]:
        """Bytes used and held by the owner of the image."""
        account = self.ledger.account(OWNER)
        return account.used, account.held

    def assert_no_trace(self) -> None:
        """Nothing is left: objects, holds on quota and capacity, threads."""
        assert self.objects() == {}
        assert self.quota == (0, 0)
        for driver in self.drivers.values():
            assert (driver.storage.account.used, driver.storage.account.held) == (0, 0)
        assert helpers() == []

    def assert_untouched(self) -> None:
        """The same, the image is queued, and a retry succeeds."""
        assert self.status == "queued"
        self.assert_no_trace()
        self.heal()
        self.upload([b"retry"])
        self.assert_active(b"retry", *NAMES)

    def assert_active(self, data: bytes, *names: str) -> None:
        """The image is active with `data` in each of these stores, in this order, and counted so; nothing else is
        there."""
        image = self.rows.find(IMAGE)
        assert (image.status, image.size) == ("active", len(data))
        assert [location.store for location in image.locations] == list(names)
        assert self.objects() == {f"{location.store}/{location.key}": data for location in image.locations}
        assert self.quota == (len(data) * len(names), 0)
        for name, driver in self.drivers.items():
            assert (driver.storage.account.used, driver.storage.account.held) == (len(data) * (name in names), 0)
        assert helpers() == []


def store_threads() -> list[threading.Thread]:
    """The threads that write to stores at the moment."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("imgstore-store")]


def helpers() -> list[threading.Thread]:
    """All threads that help a session."""
    return [*store_threads(), *digest_threads()]
