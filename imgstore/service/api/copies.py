"""Copies of images between stores, on threads of their own: the request that asks for one does not wait for its end.

A copy that can be refused at once is refused to the request. How it ended is then in the image
(`os_glance_failed_import`), in the metrics, and in the log under the identifier of the request. At most `threads`
copies move bytes at a time; the others wait, with their quota held. No copy is tried again.

Copies into one store take half of the threads at most, if there are more than two stores: copies into a store that
hangs hold up no copy into another one (contained). With two stores, each copy needs both.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from threading import TIMEOUT_MAX

from imgstore import errors
from imgstore.bulkhead import share
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class Copies:
    """The copies of one service with so many `stores`, for all its threads."""

    def __init__(self, service: CopyService, *, threads: int, stores: int) -> None:
        self._service = service
        self._most = share(threads, stores=stores - 1)
        self._into: Counter[str] = Counter()
        self._waiting: dict[ImageCopy, Context] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imgstore-copy")
        self._under_way: dict[ImageCopy, bool] = {}  # whether each moves bytes, the oldest first
        self._stopping = False
        self._changed = threading.Condition()

    def begin(self, request: CopyRequest) -> None:
        """Returns when the copy was granted. Raises what `CopyService.begin` raises; StoreUnavailable while the service
        is stopping."""
        copy = self._service.begin(request)
        try:
            self._submit(copy)
        except BaseException:
            copy.abort()
            raise

    def waiting(self) -> Sequence[ImageCopy]:
        """Those that were granted and wait for a thread, the oldest first. Waits for nothing."""
        return [copy for copy, moves in self._under_way.copy().items() if not moves]

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether all copies have ended; waits for at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout)

    def stop(self, seconds: float = TIMEOUT_MAX) -> None:
        """Ends all copies and undoes those that are not complete. Returns when their threads have ended, at the latest
        after so many seconds."""
        with self._changed:
            self._stopping = True
            for copy in self._under_way:
                copy.stop()
            self._start_waiting()
        self._pool.shutdown(wait=self.wait_until_idle(seconds))

    def _submit(self, copy: ImageCopy) -> None:
        with self._changed:
            if self._stopping:
                raise errors.StoreUnavailable("The service is stopping and begins no copy.")
            self._under_way[copy] = False
            self._waiting[copy] = contextvars.copy_context()
            self._start_waiting()

    def _start_waiting(self) -> None:
        """Hands what may begin to the threads, the oldest first; all, once the service is stopping."""
        for copy in list(self._waiting):
            stores = copy.attempt.stores
            if self._stopping or all(self._into[store] < self._most for store in stores):
                self._into.update(stores)
                self._pool.submit(self._waiting.pop(copy).run, self._run, copy)

    def _run(self, copy: ImageCopy) -> None:
        attempt = copy.attempt
        self._under_way[copy] = True
        try:
            copy.run()
        except errors.ImgstoreError as error:
            LOG.error("Image %s was not copied to %s: %s", attempt.image_id, ", ".join(attempt.stores), describe(error))
        finally:
            with self._changed:
                del self._under_way[copy]
                self._into.subtract(attempt.stores)
                self._start_waiting()
                self._changed.notify_all()
