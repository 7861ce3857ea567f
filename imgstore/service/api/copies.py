"""Copies of images between stores, on threads of their own: the request that asks for one does not wait for its end.

What can be refused is refused to the request; how a copy ended is then in the image (`os_glance_failed_import`), in the
log, under the identifier of the request that asked for it, and in the metrics. At most `threads` copies move bytes at a
time; the others wait, with their quota held. What this module refuses to do: try a copy again.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Protocol

from imgstore import errors
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


LEFT_OUT = "left-out"


class CopyMetrics(Protocol):
    """Who counts copies."""

    def ended(self, stores: Iterable[str], status: str) -> None:
        """How a copy ended in these stores."""

    def under_way(self) -> AbstractContextManager[object]:
        """Around a copy."""


class Copies:
    """The copies of one service."""

    def __init__(self, service: CopyService, *, metrics: CopyMetrics, threads: int) -> None:
        self._service = service
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imgstore-copy")
        self._under_way: set[ImageCopy] = set()
        self._stopping = False
        self._changed = threading.Condition()

    def begin(self, request: CopyRequest) -> None:
        """Returns when the copy was granted. Raises what `CopyService.begin` raises; StoreUnavailable at the end of the
        service."""
        copy = self._service.begin(request)
        try:
            self._submit(copy)
        except BaseException:
            copy.abort()
            raise

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether all copies have ended; waits for at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout)

    def stop(self) -> None:
        """Ends all copies; those that are not complete are undone. Returns when none is running any more."""
        with self._changed:
            self._stopping = True
            for copy in self._under_way:
                copy.stop()
        self._pool.shutdown(wait=True)

    def _submit(self, copy: ImageCopy) -> None:
        with self._changed:
            if self._stopping:
                raise errors.StoreUnavailable("The service is ending: no copy begins any more.")
            self._pool.submit(contextvars.copy_context().run, self._run, copy)
            self._under_way.add(copy)

    def _run(self, copy: ImageCopy) -> None:
        attempt = copy.attempt
        try:
            with self._metrics.under_way():
                reached = [location.store for location in copy.run().locations]
        except errors.ImgstoreError as error:
            LOG.error("Image %s was not copied to %s: %s", attempt.image_id, ", ".join(attempt.stores), describe(error))
            self._metrics.ended(attempt.stores, str(error.status))
        else:
            LOG.info("Image %s was copied to %s", attempt.image_id, ", ".join(reached))
            self._metrics.ended(reached, "done")
            self._metrics.ended([store for store in attempt.stores if store not in reached], LEFT_OUT)
        finally:
            with self._changed:
                self._under_way.discard(copy)
                self._changed.notify_all()
