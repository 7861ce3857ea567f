"""Copies of images between stores, on threads of their own: the request that asks for one does not wait for its end.

A copy that can be refused at once is refused to the request. How it ended is then in the image
(`os_glance_failed_import`), in the metrics, and in the log under the identifier of the request. At most `threads`
copies move bytes at a time; the others wait, with their quota held. No copy is tried again.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from imgstore import errors
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


class Copies:
    """The copies of one service, for all its threads."""

    def __init__(self, service: CopyService, *, threads: int) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imgstore-copy")
        self._under_way: set[ImageCopy] = set()
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

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether all copies have ended; waits for at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout)

    def stop(self) -> None:
        """Ends all copies and undoes those that are not complete. Returns when their threads have ended."""
        with self._changed:
            self._stopping = True
            for copy in self._under_way:
                copy.stop()
        self._pool.shutdown(wait=True)

    def _submit(self, copy: ImageCopy) -> None:
        with self._changed:
            if self._stopping:
                raise errors.StoreUnavailable("The service is stopping and begins no copy.")
            self._pool.submit(contextvars.copy_context().run, self._run, copy)
            self._under_way.add(copy)

    def _run(self, copy: ImageCopy) -> None:
        attempt = copy.attempt
        try:
            copy.run()
        except errors.ImgstoreError as error:
            LOG.error("Image %s was not copied to %s: %s", attempt.image_id, ", ".join(attempt.stores), describe(error))
        finally:
            with self._changed:
                self._under_way.discard(copy)
                self._changed.notify_all()
