"""A temporary URL: with it anybody reads the data of one image for some time, from the store itself.

The URL is a credential: who has it needs no other. So it is given only to who may see the image, for a bounded time,
and is neither logged nor shown by `repr`. It is pinned to the object that the image has now, since no other object
ever gets that key. When the image is deleted it ends as soon as the object is removed; nothing else ends it earlier.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import MakesTemporaryUrls
from imgstore.driver.deadline import in_haste
from imgstore.model import Location, StoredImage
from imgstore.store import Store
from imgstore.transfers.slots import patience
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

LONGEST = 7 * 24 * 3600
"""Seconds for which a URL is good at most, as in S3."""


class NoTemporaryUrl(errors.StoreError, status=501, code="no-temporary-url"):
    """No store that has the image makes temporary URLs. The host delivers the data itself."""

    title = "Not Implemented"


@dataclass(frozen=True)
class TemporaryUrl:
    """`url` leads to the object at `location` for so many `seconds` from now; do not log it."""

    url: str = field(repr=False)
    location: Location
    seconds: int


def temporary_url(image: StoredImage, stores: Sequence[Store], *, seconds: int, context: object) -> TemporaryUrl:
    """A URL of the image's data in the first of `stores` that has it and can. Raises what
    `DownloadService.temporary_url` raises."""
    refuse_time(seconds)
    if image.status != "active":
        raise errors.ImageConflict(f"Image {image.image_id} is {image.status}: only active images have temporary URLs.")
    able = [store for store in stores if isinstance(store.driver, MakesTemporaryUrls)]
    failures: list[errors.ImgstoreError] = []
    until = patience(able)
    for number, store in enumerate(able, start=1):
        try:
            with in_haste(number < len(able)), store.slot(wait=until - time.monotonic()):
                return _made(image, store, seconds, context)
        except (errors.StoreError, errors.ConfigurationError) as error:
            failures.append(error)
            LOG.warning("Image %s gets no URL of store %s: %s", image.image_id, store.identifier, describe(error))
    raise _refusal(failures, everywhere=len(able) == len(image.locations))


def signed_url(store: Store, location: Location, *, seconds: int) -> TemporaryUrl:
    """A URL of an object of a store, whether it is there or not. Raises UsageError, NoTemporaryUrl, StoreError,
    ConfigurationError."""
    refuse_time(seconds)
    driver = store.driver
    with store.blamed():
        if not isinstance(driver, MakesTemporaryUrls):
            raise NoTemporaryUrl(_words(driver))
        return TemporaryUrl(driver.temporary_url(location.key, seconds=seconds), location, seconds)


def refuse_time(seconds: int) -> None:
    """Raises UsageError for a time that no URL has."""
    if not 1 <= seconds <= LONGEST:
        raise errors.UsageError(f"A temporary URL is good for 1 to {LONGEST} seconds, not for {seconds}.")


def _made(image: StoredImage, store: Store, seconds: int, context: object) -> TemporaryUrl:
    location = next(each for each in image.locations if each.store == store.identifier)
    reached = store.for_context(context, url=location.url)
    with reached.blamed():
        size = reached.driver.stat(location.key).size
        if size != image.size:
            raise errors.IntegrityError(f"The object has {size} bytes, the image {image.size}.")
    made = signed_url(reached, location, seconds=seconds)
    LOG.info("Image %s: a URL of store %s, for %d s", image.image_id, store.identifier, seconds)
    return made


def _refusal(failures: Sequence[errors.ImgstoreError], *, everywhere: bool) -> errors.ImgstoreError:
    """What is told where no store made a URL: the failure that may pass, if there is one. Data is gone only where every
    location was looked at."""
    lasting = [each for each in failures if not isinstance(each, errors.ObjectNotFound)]
    if lasting:
        return lasting[0]
    if failures and everywhere:
        return errors.DataGone("The image's data is missing from the store.")
    return NoTemporaryUrl("No store that has the image makes temporary URLs: deliver its data through the service.")


def _words(driver: StoreDriver) -> str:
    return f"{type(driver).__name__} makes no temporary URLs: read the object through the service, or with 'get'."
