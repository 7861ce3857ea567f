"""What a server has shown of itself: servers that speak S3 differ, and nothing of this is asked for in advance.

A header that not every server knows is sent until one refuses it; a request that succeeds without it proves that the
header was to blame, and it is not sent again. What a server confirms is remembered too, so that the cheapest proof that
works is used. Facts are of one driver, in memory, and a race between two threads only learns one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from imgstore.drivers.s3 import errors

T = TypeVar("T")
LOG = logging.getLogger(__name__)

CONDITION = "If-None-Match"
CHECKSUM = "x-amz-checksum"
CONTENT_MD5 = "Content-MD5"


@dataclass(frozen=True, slots=True)
class Extra:
    """Parameters of a request that it can do without; `trait` says which of a server's traits they need."""

    trait: str
    parameters: Mapping[str, Any]


ABSENT = Extra(CONDITION, {"IfNoneMatch": "*"})
"""Only if the key is free. Nothing rests on it: every attempt has a key of its own, and some servers ignore it."""


class Traits:
    """The facts. `refused`: traits whose parameters the server does not take. `proven`: checksums that it compares, and
    returns, as a check has found out. `md5_etags`: the ETag of what was sent whole is its md5 (None: not known yet).
    """

    def __init__(self) -> None:
        self.refused: frozenset[str] = frozenset()
        self.proven: frozenset[str] = frozenset()
        self.md5_etags: bool | None = None
        self._warned: frozenset[str] = frozenset()

    def send(self, request: Callable[[dict[str, Any]], T], extras: Sequence[Extra]) -> T:
        """What `request` returns, given the parameters of the `extras` that the server takes. Raises what it raises."""
        kept = [extra for extra in extras if extra.trait not in self.refused and extra.parameters]
        dropped: list[str] = []
        while True:
            try:
                answer = request({name: value for extra in kept for name, value in extra.parameters.items()})
            except ClientError as error:
                if not kept or not errors.not_taken(error):
                    raise
                dropped.append(kept.pop(0).trait)
                continue
            self._learn(dropped)
            return answer

    def warn_once(self, subject: str, text: str) -> None:
        """Logs a warning that is worth one line, not one for each image."""
        if subject not in self._warned:
            self._warned |= {subject}
            LOG.warning(text)

    def _learn(self, dropped: Sequence[str]) -> None:
        for trait in dropped:
            LOG.info("The S3 server does not take the parameter '%s': it is not sent again", trait)
        self.refused |= frozenset(dropped)
