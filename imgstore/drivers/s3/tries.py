"""How often, how long and how slowly a request is tried: the only floor on which this driver tries one again.

boto3's own retries are off. They know no deadline, go on when nobody wants the request any more, and multiply with
those of whoever calls. A range of a read is tried once here, since `imgstore.driver.ranged` resumes it. Each operation
has one deadline for all its tries: STALLS waits for a server that does not answer, and as long as the bytes take that
move at the least pace. The sockets keep it, and the pace of each try (`imgstore.driver.deadline`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from imgstore.driver import deadline
from imgstore.driver.deadline import HASTY_TRIES, LEAST, STALLS, Deadline, Pace
from imgstore.driver.translate import forget_frames
from imgstore.drivers.s3 import errors
from imgstore.drivers.s3.options import S3Options

FIRST_PAUSE, FIRST_BUSY_PAUSE, LONGEST_PAUSE = 0.05, 1.0, 20.0
WORKING: Final = frozenset({"complete_multipart_upload", "copy_object", "upload_part_copy"})
"""Operations for which a server may work for long; it sends blanks meanwhile."""
WORK: Final = 900.0
"""Seconds for such work."""


class Tries:
    """Those of one store."""

    def __init__(self, options: S3Options) -> None:
        self._options = options

    def deadline(self, operation: str, size: int) -> Deadline:
        """That of an operation which sends `size` bytes, from now on."""
        options = self._options
        if deadline.is_in_haste():
            return Deadline(options.read_timeout)
        stalls = STALLS * (options.connect_timeout + options.read_timeout)
        return Deadline(stalls + options.read_timeout * size / LEAST + (WORK if operation in WORKING else 0))

    def pace(self, operation: str = "") -> Pace:
        """That of one request, or of one piece of a body."""
        return Pace(self._options.read_timeout, least=1 if operation in WORKING else LEAST)

    def send(self, operation: str, request: Callable[[], Any], *, once: bool = False) -> Any:
        """What `request` returns, with the number of repetitions in it. Raises what botocore raises, StoreUnavailable
        for what nobody wants any more."""
        most = 1 if once else HASTY_TRIES if deadline.is_in_haste() else self._options.max_attempts
        repetitions = 0
        while True:
            deadline.expect_wanted()
            try:
                with self.pace(operation):
                    answer = request()
            except (BotoCoreError, HTTPClientError, ClientError) as error:
                forget_frames(error)
                if isinstance(error, ClientError):
                    errors.add_retries(error.response, repetitions)
                if repetitions + 1 >= most or not errors.passing(error) or not deadline.wanted():
                    raise
                deadline.pause(_pause(error, repetitions))
                repetitions += 1
            else:
                errors.add_retries(answer, repetitions)
                return answer


def _pause(error: BaseException, repetitions: int) -> float:
    first = FIRST_BUSY_PAUSE if errors.busy(error) else FIRST_PAUSE
    return random.uniform(0, min(first * 2**repetitions, LONGEST_PAUSE))  # noqa: S311 - jitter, not a secret
