"""What an image's identifier is in a host: a UUID, unless the host says otherwise.

Whatever else a path names is 404, before the catalog is asked: no database meets a NUL, or text that is no text. So is
an identifier of which no key can be made (`imgstore.catalog.makes_keys`), whatever the host says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeAlias

from imgstore import errors
from imgstore.catalog import makes_keys, no_such_image
from imgstore.driver.translate import function_failures
from imgstore.host_answers import require_plain, truth
from imgstore.http.requests import is_image_id, shown

LOG = logging.getLogger(__name__)

ImageIds: TypeAlias = "str | re.Pattern[str] | Callable[[str], bool]"


class Identifiers:
    """`image_ids`: a regular expression for the whole identifier, or a function that says whether it is one. Raises
    UsageError for what is neither."""

    def __init__(self, image_ids: ImageIds = is_image_id) -> None:
        self._is_one = _decider(image_ids)
        self._told = False

    def require(self, image_id: str) -> None:
        """Raises ImageNotFound for what is not one; the first is logged, so that a host learns what it forgot."""
        with function_failures("image_ids"):
            reason = None if truth(self._is_one, image_id) else "image_ids of ImageData says what an identifier is"
        if reason is None and not makes_keys(image_id):
            reason = "no key can be made of it"
        if reason is None:
            return
        if not self._told:
            self._told = True
            LOG.warning("No image can have the identifier %s: %s; later ones are not told", shown(image_id), reason)
        raise no_such_image(shown(image_id))


def _decider(image_ids: ImageIds) -> Callable[[str], bool]:
    if callable(image_ids):
        require_plain(image_ids, name="image_ids")
        return image_ids
    try:
        pattern = re.compile(image_ids)
    except (re.error, TypeError) as error:
        raise errors.UsageError(f"image_ids is a regular expression or a function: {error}.") from error
    return lambda image_id: pattern.fullmatch(image_id) is not None
