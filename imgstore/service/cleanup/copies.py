"""Reads one copy of an image, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from imgstore import errors
from imgstore.model import MIB, CatalogLocation
from imgstore.store import Store
from imgstore.transfers.digests import new_hash

Read = Callable[[int], object]
"""Told of bytes that were read; it may wait, and ends the reading by raising."""


def what_is_wrong(store: Store, place: CatalogLocation, read: Read) -> str:
    """What is wrong with a copy; empty if it is right. Raises StoreError if the store does not tell."""
    try:
        with store.blamed(), store.driver.open_reader(place.key) as reader:
            digest, size = new_hash(place.hash_algo or "sha512"), 0
            while data := reader.read(MIB):
                digest.update(data)
                size += len(data)
                read(len(data))
    except errors.ObjectNotFound:
        return "the object is not in the store"
    if place.size not in (None, size):
        return f"{size} bytes, where the image has {place.size}"
    if place.hash_value and digest.hexdigest() != place.hash_value:
        return f"its {place.hash_algo} is {digest.hexdigest()}"
    return ""
