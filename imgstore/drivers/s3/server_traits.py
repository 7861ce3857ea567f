"""What a server has shown of itself. Servers that speak S3 differ, and the driver finds out how while it works.

The driver sends a header that not every server knows until a server refuses it. If the same request then succeeds
without the header, the header was to blame, and the driver does not send it again. The driver also remembers what a
server confirms, so that it uses the cheapest proof that works. Traits are in memory, of one driver. If two threads
race, the driver only learns a trait twice.
"""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOG = logging.getLogger(__name__)

CONDITION = "If-None-Match"
CHECKSUM = "x-amz-checksum"
CONTENT_MD5 = "Content-MD5"


@dataclass(frozen=True, slots=True)
class Extra:
    """Parameters that a request can do without; `trait` names what the server must know to take them."""

    trait: str
    parameters: Mapping[str, Any]


ABSENT = Extra(CONDITION, {"IfNoneMatch": "*"})
"""Only if the key is free. Nothing rests on it: every attempt has a key of its own, and some servers ignore it."""

ABSENT_AT_END = Extra("If-None-Match of an upload in parts", {"IfNoneMatch": "*"})
"""The same where parts become an object: Ceph's gateway compares the one and ignores the other."""


def server_time(answer: Mapping[str, Any]) -> float:
    """The server's clock when it answered, by which all that it lists has its times; this machine's if it does not
    tell."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return time.time()


class Traits:
    """`refused`: traits that the server does not have. `proven`: checksums that it compares and returns, as a check has
    found out. `md5_etags`: whether the ETag of a whole object is its md5 (None: not known yet)."""

    def __init__(self) -> None:
        self.refused: frozenset[str] = frozenset()
        self.proven: frozenset[str] = frozenset()
        self.md5_etags: bool | None = None
        self._warned: frozenset[str] = frozenset()

    def taken(self, extras: Sequence[Extra]) -> list[Extra]:
        """Those that the server may take."""
        return [extra for extra in extras if extra.trait not in self.refused and extra.parameters]

    def learn_refused(self, extras: Sequence[Extra]) -> None:
        """The server took a request without these, and not with them."""
        for extra in extras:
            LOG.info("The S3 server does not take the parameter '%s': it is not sent again", extra.trait)
        self.refused |= {extra.trait for extra in extras}

    def has_warned(self, subject: str) -> bool:
        """Whether it was warned of the subject."""
        return subject in self._warned

    def warn_once(self, subject: str, text: str) -> None:
        """Logs a warning once, and not for every image."""
        if subject not in self._warned:
            self._warned |= {subject}
            LOG.warning(text)
