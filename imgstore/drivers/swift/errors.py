"""Right blame: what Swift, the network and Keystone answer, as errors of the library.

`Passing` is a failure that may be over in a moment, so that another try may help. `NotAsConfigured` is a storage that
answers and does not take what the configuration says: 503 while the service runs, and for `check` the option and the
cure.

No secrets: the detail has the status of an answer, the server's transaction and the beginning of its text, of
everything else the class. The chain to the foreign exception is cut, since its text may hold a URL with a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import exceptions as keystone
from swiftclient.exceptions import ClientException  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.driver.options import bad
from imgstore.driver.shared import Passing as Passing
from imgstore.driver.translate import forget_frames

PASSING = frozenset({408, 409, 429, 498, 499, 500, 502, 503, 504})
FULL = frozenset({413, 507})
ELSEWHERE = frozenset({301, 302, 303, 307, 308})
QUOTED = 200

Refusals = Mapping[int, errors.ImgstoreError]


class Unanswered(Passing):
    """No answer came: nobody knows what the request did, or will do once it arrives."""


class TokenRefused(Passing):
    """The token is not good any more, or never was."""


class NotAsConfigured(errors.StoreUnavailable):
    """The storage does not take what the configuration says about `option`."""

    def __init__(self, option: str, problem: str, cure: str) -> None:
        super().__init__("Image storage cannot be used as it is configured.", detail=f"{option}: {problem} {cure}")
        self.option = option
        self.problem = problem
        self.cure = cure

    def as_configuration(self) -> errors.ConfigurationError:
        """The same for whoever looks at the configuration."""
        return bad(self.option, self.problem, self.cure)


class Denied(NotAsConfigured):
    """The store's own user may not do this."""


def from_answer(error: ClientException, action: str, refusals: Refusals) -> errors.ImgstoreError:
    """The error for an answer of Swift to `action`; `refusals` are the statuses that mean something to the caller."""
    status = error.http_status
    if status in refusals:
        refusal = refusals[status]
        refusal.detail = refusal.detail or detail_of(error, action)
        return refusal
    if status == 401:
        return TokenRefused(_unavailable(401, action), detail=detail_of(error, action))
    if status in FULL:
        return errors.StoreFull(
            f"Image storage media is full (HTTP {status}) while {action}.", detail=detail_of(error, action)
        )
    if status in PASSING:
        return Passing(_unavailable(status, action), detail=detail_of(error, action), pause=_pause(error))
    return _other(error, action)


def _other(error: ClientException, action: str) -> errors.StoreError:
    status, detail = error.http_status, detail_of(error, action)
    if status in ELSEWHERE:
        return NotAsConfigured(
            "endpoint", f"the storage redirects to another address ({detail}).", "Name that one: no token follows."
        )
    if status == 404:
        return errors.ObjectNotFound("No object has that key.", detail=detail)
    if status == 422:
        return errors.IntegrityError("The bytes that the store received are not those that were sent.", detail=detail)
    return errors.StoreUnavailable(_unavailable(status, action), detail=detail)


def forbidden(detail: str) -> errors.StoreError:
    """The error for 403 where the store's own user is not allowed something."""
    return Denied(
        "username", f"the user may not do this ({detail}).", "Give the user a role that Swift takes for an operator's."
    )


def from_transport(error: Exception, action: str) -> errors.StoreError:
    """The error for a request that got no answer, or not all of it."""
    forget_frames(error)
    if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
        return NotAsConfigured(
            "cacert", "the server's certificate is not trusted.", "Name the file of the authority that signed it."
        )
    kind = "no answer in time" if isinstance(error, requests.exceptions.Timeout) else "connection failed"
    return Unanswered(f"Image storage is not available ({kind}) while {action}.", detail=errors.kind_and_place(error))


def from_keystone(error: keystone.ClientException) -> errors.StoreError:
    """The error for a token that could not be had."""
    detail = errors.kind_and_place(error)
    forget_frames(error)
    if isinstance(error, keystone.Unauthorized):
        return NotAsConfigured(
            "password", "the user and the password are not accepted.", "Correct them, the domains and the project."
        )
    if isinstance(error, keystone.EndpointNotFound):
        return NotAsConfigured(
            "service_type", "the catalog has no such endpoint.", "Correct service_type, endpoint_type and region."
        )
    if isinstance(error, keystone.SSLError):
        return NotAsConfigured(
            "cacert", "the certificate of auth_url is not trusted.", "Name the file of the authority that signed it."
        )
    status = error.http_status if isinstance(error, keystone.HttpError) else None
    if status is not None and status < 500 and status not in PASSING:
        return NotAsConfigured(
            "auth_url", f"no token is given there (HTTP {status}).", "Correct auth_url and auth_version."
        )
    if isinstance(error, keystone.InvalidResponse):
        return NotAsConfigured("auth_url", "what answers there gives no tokens.", "Correct auth_url and auth_version.")
    return Passing("Image storage is not available (no token can be had).", detail=detail)


def _unavailable(status: int | None, action: str) -> str:
    return f"Image storage is not available (HTTP {status}) while {action}."


def detail_of(error: ClientException, action: str) -> str:
    """What the operator may read of an answer."""
    transaction = f", transaction {error.transaction_id}" if error.transaction_id else ""
    return f"{action}: HTTP {error.http_status}{transaction}{_text(error.http_response_content)}"


def _text(content: Any) -> str:
    """The beginning of what the server says, without its markup."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content or "")
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    return f": {words[:QUOTED]}" if words else ""


def _pause(error: ClientException) -> float | None:
    """Retry-After in seconds; a date is not understood."""
    value = (error.http_response_headers or {}).get("Retry-After", "")
    return float(value) if value.isdecimal() else None
