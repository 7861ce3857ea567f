"""A host's table of images as imgstore sees it, here a dictionary; yours does the same on its own table. `begin`,
`activate` and `release` are one compare-and-set each: in SQL, one UPDATE ... WHERE status = ... and its row count.
A number is never used twice. `context` is what the host made of the request, here the user's name.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from imgstore.catalog import image_gone, no_such_image, require_queued
from imgstore.model import Attempt, StoredImage, UploadRequest, UploadResult


@dataclass
class Image:
    owner: str
    data: StoredImage
    attempts: int = 0


class ToyCatalog:
    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self._lock = threading.Lock()

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return self._visible(image_id, context).data

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        with self._lock:
            image = self._visible(request.image_id, request.context)
            require_queued(request.image_id, image.data.status)
            image.data, image.attempts = StoredImage(request.image_id, "saving"), image.attempts + 1
            return Attempt(request.image_id, image.attempts, image.owner, "raw", "bare", stores=stores)

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        digests = {"checksum": result.checksum, "hash_algo": result.hash_algo, "hash_value": result.hash_value}
        active = StoredImage(attempt.image_id, "active", result.size, **digests, locations=result.locations)
        if not self._end(attempt, active):
            raise image_gone(attempt.image_id)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """Nobody takes an upload over here; `activate` notices that the image was deleted."""

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return self._end(attempt, StoredImage(attempt.image_id, "queued"))

    def _end(self, attempt: Attempt, data: StoredImage) -> bool:
        with self._lock:
            image = self.images.get(attempt.image_id)
            if image is None or (image.attempts, image.data.status) != (attempt.number, "saving"):
                return False
            image.data = data
            return True

    def _visible(self, image_id: str, user: object) -> Image:
        if (image := self.images.get(image_id)) is None or image.owner != user:
            raise no_such_image(image_id)
        return image
