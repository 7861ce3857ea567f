"""How a request reaches Swift: with the account's token, over the store's connections, tried again where that may help.

401 renews the token and sends the request again at once, body and all. What may be over in a moment (`Passing`) is
tried again after pauses that grow and are jittered, or that the server wants. swiftclient's own retries do not spread,
wait up to a minute, and go on when an upload has failed elsewhere. Any request may be sent twice: whoever needs to know
whether the first one counted asks the storage (`writer.NewObject`).

Bounds (`imgstore.driver.deadline`): a request and all its tries have one deadline, STALLS times the patience, which is
`read_timeout`, and a second for each LEAST bytes of its body. In one try, LEAST bytes must move in each patience. No
try begins after the deadline, nor one that nobody wants, and no pause that would outlast it. Whoever can get the object
elsewhere (`in_haste`) waits for one patience and two tries.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.driver import deadline
from imgstore.driver.deadline import HASTY_TRIES, LEAST, Deadline, Pace
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.answers import TRANSPORT_FAILURES, Stream
from imgstore.drivers.swift.auth import Access, Auth
from imgstore.drivers.swift.connections import HttpConnection, Pool
from imgstore.drivers.swift.errors import Passing, Refusals, TokenRefused

T = TypeVar("T")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
LONGEST_PAUSE_WANTED = 60.0

Send = Callable[[Access, HttpConnection], T]
NONE: Refusals = {}


class Requests:
    """Sends requests to one account, for all threads of a store. `patience`: seconds for an answer."""

    def __init__(self, auth: Auth, pool: Pool, *, max_attempts: int, patience: float) -> None:
        self._auth = auth
        self._pool = pool
        self._max_attempts = max_attempts
        self.patience = patience

    @property
    def url(self) -> str:
        """The account's URL. Raises StoreUnavailable where no token can be had."""
        with self._time():
            return self._tried(self._auth.access).url

    def _ask(
        self, action: str, send: Send[T], *, refusals: Refusals = NONE, tries: int | None = None, size: int = 0,
        heartbeats: int = 0,
    ) -> T:  # fmt: skip
        """What `send` returns; a Stream keeps its connection. `action` is for people, `refusals` are the errors for
        statuses that mean something here, `tries` is 1 where the caller tries again by itself, `size` is that of the
        body. `heartbeats`: the server shows signs of life while it works, for so many times longer at most.

        Raises StoreFull, ObjectNotFound, IntegrityError, StoreUnavailable, or one of `refusals`.
        """
        pace = partial(Pace, self.patience, least=1 if heartbeats else LEAST)
        with self._time(size, heartbeats):
            return self._tried(lambda: self._with_token(action, send, refusals, pace), tries)

    def _time(self, size: int = 0, heartbeats: int = 0) -> Deadline:
        """The deadline of a request with a body of `size` bytes."""
        waits = deadline.reading_time(self.patience) or 0.0
        return Deadline(waits * (1 + heartbeats) + size / LEAST)

    def _tried(self, request: Callable[[], T], tries: int | None = None) -> T:
        """What `request` returns, tried again where that may help."""
        most = HASTY_TRIES if deadline.is_in_haste() else self._max_attempts
        most = most if tries is None else min(tries, most)
        number = 1
        while True:
            try:
                return request()
            except (Passing, errors.IntegrityError) as error:  # the latter: bytes that arrived broken
                pause = _pause_after(error, number)
                if number >= most or not _may_wait(pause):
                    raise
            deadline.pause(pause)
            number += 1

    def _call(
        self, action: str, function: Callable[..., Any], *arguments: Any, refusals: Refusals = NONE, **options: Any
    ) -> Any:
        """The same for one of swiftclient's functions."""

        def send(access: Access, connection: HttpConnection) -> Any:
            return function(access.url, access.token, *arguments, http_conn=connection, **options)

        return self._ask(action, send, refusals=refusals)

    def _with_token(self, action: str, send: Send[T], refusals: Refusals, pace: Callable[[], Pace]) -> T:
        deadline.expect_wanted()
        access = self._auth.access()
        try:
            return self._once(access, action, send, refusals, pace())
        except TokenRefused:
            self._auth.refused(access)
        return self._once(self._auth.access(), action, send, refusals, pace())

    def _once(self, access: Access, action: str, send: Send[T], refusals: Refusals, pace: Pace) -> T:
        connection = self._pool.take(access.url)
        try:
            with pace:
                result = send(access, connection)
        except ClientException as error:
            self._pool.give_back(connection)
            if error.http_status == 403 and 403 not in refusals:
                raise self._auth.forbidden(swift_errors.detail_of(error, action)) from None
            raise swift_errors.from_answer(error, action, refusals) from None
        except TRANSPORT_FAILURES as error:
            self._pool.drop(connection)
            raise swift_errors.from_transport(error, action) from None
        except BaseException:
            self._pool.drop(connection)
            raise
        if not isinstance(result, Stream):
            self._pool.give_back(connection)
        return result


def _pause_after(error: errors.StoreError, number: int) -> float:
    wanted = error.pause if isinstance(error, Passing) else None
    jittered = random.uniform(0, min(FIRST_PAUSE * 2.0 ** (number - 1), LONGEST_PAUSE))  # noqa: S311 - no secret
    return jittered if wanted is None else min(wanted, LONGEST_PAUSE_WANTED) + jittered


def _may_wait(seconds: float) -> bool:
    """Whether another try after so many seconds is wanted by then."""
    return deadline.wanted() and seconds < deadline.left()
