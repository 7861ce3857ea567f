"""How a request reaches Swift: with the account's token, over the store's connections, tried again where that may help.

401 renews the token and sends the request again at once, body and all. What may be over in a moment (`Passing`) is
tried again by tenacity, after pauses that grow and are jittered, or that the server wants. swiftclient's own retries do
not spread, wait up to a minute, and go on when an upload has failed elsewhere. Any request may be sent twice: whoever
needs to know whether the first one counted asks the storage (`writer.NewObject`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import tenacity
from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.answers import TRANSPORT_FAILURES, Stream
from imgstore.drivers.swift.auth import Access, Auth
from imgstore.drivers.swift.connections import HttpConnection, Pool
from imgstore.drivers.swift.errors import Passing, Refusals, TokenRefused

T = TypeVar("T")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
LONGEST_PAUSE_WANTED = 60.0
GLANCE = 0.1

Send = Callable[[Access, HttpConnection], T]
NONE: Refusals = {}


def never() -> bool:
    """Nothing stops the tries before their time."""
    return False


class Requests:
    """Sends requests to one account, for all threads of a store."""

    def __init__(self, auth: Auth, pool: Pool, *, max_attempts: int) -> None:
        self._auth = auth
        self._pool = pool
        self._max_attempts = max_attempts

    @property
    def url(self) -> str:
        """The account's URL. Raises StoreUnavailable where no token can be had."""
        access: Access = self._tries(never)(self._auth.access)
        return access.url

    def _ask(self, action: str, send: Send[T], *, refusals: Refusals = NONE, stopped: Callable[[], bool] = never) -> T:
        """What `send` returns; a Stream keeps its connection. `action` is for people, `refusals` are the errors for
        statuses that mean something here, `stopped` says that no further try is wanted.

        Raises StoreFull, ObjectNotFound, IntegrityError, StoreUnavailable, or one of `refusals`.
        """
        result: T = self._tries(stopped)(self._with_token, action, send, refusals)
        return result

    def _tries(self, stopped: Callable[[], bool]) -> tenacity.Retrying:
        return tenacity.Retrying(
            stop=lambda state: stopped() or state.attempt_number >= self._max_attempts,
            wait=_pause_after,
            retry=tenacity.retry_if_exception(_may_help),
            sleep=lambda seconds: _sleep(seconds, stopped),
            reraise=True,
        )

    def _call(
        self, action: str, function: Callable[..., Any], *arguments: Any, refusals: Refusals = NONE, **options: Any
    ) -> Any:
        """The same for one of swiftclient's functions."""

        def send(access: Access, connection: HttpConnection) -> Any:
            return function(access.url, access.token, *arguments, http_conn=connection, **options)

        return self._ask(action, send, refusals=refusals)

    def _with_token(self, action: str, send: Send[T], refusals: Refusals) -> T:
        access = self._auth.access()
        try:
            return self._once(access, action, send, refusals)
        except TokenRefused:
            self._auth.refused(access)
        return self._once(self._auth.access(), action, send, refusals)

    def _once(self, access: Access, action: str, send: Send[T], refusals: Refusals) -> T:
        connection = self._pool.take(access.url)
        try:
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


def _may_help(error: BaseException) -> bool:
    """Bytes that arrived broken are sent again, too."""
    return isinstance(error, (Passing, errors.IntegrityError))


def _pause_after(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    wanted = error.pause if isinstance(error, Passing) else None
    jittered: float = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)(state)
    return jittered if wanted is None else min(wanted, LONGEST_PAUSE_WANTED) + jittered


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleeps, and looks up now and then whether the request is still wanted."""
    until = time.monotonic() + seconds
    while not stopped() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, GLANCE))
