"""Tokens: one for the whole store, shared by its threads, renewed before it ends and when Swift refuses it.

keystoneauth's plugins ask for tokens: its own for Keystone, swiftclient's for auth version 1. This module decides when
to renew one, by the share of its life that is left on this machine's own clock: the plugins would renew a token of less
than two minutes at every request. While one thread renews, the others wait, so that many requests refused at once cost
one token. A renewal that fails while the old token is still good is no failure.

A caller's own token (`CallerToken`) cannot be renewed: when Swift refuses it, the caller is told.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from keystoneauth1 import exceptions as keystone
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from swiftclient import authv1  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.connections import close_sockets
from imgstore.drivers.swift.credentials import V1, Credentials
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

MARGIN = 120.0
SHARE = 5
"""A token is renewed MARGIN seconds before its end, or when a SHARE of its life is left, whichever is later."""


Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Access:
    """A token and the URL of the account that it opens."""

    token: str = field(repr=False)
    url: str


class Auth(Protocol):
    """Where the requests to one account get their token from."""

    def access(self) -> Access:
        """A token that should be good. Raises StoreUnavailable, NotAsConfigured."""

    def refused(self, access: Access) -> None:
        """Swift refused this one: the next `access` is another. Raises Unauthenticated where there is no other."""

    def forbidden(self, detail: str) -> errors.ImgstoreError:
        """The error for what Swift does not let this user do."""


class StoreToken(OfOneProcess):
    """The store's own account. `credentials` gives who it is when the first token is needed. A child of a fork keeps
    the token, and renews it over connections of its own."""

    def __init__(
        self,
        options: SwiftOptions,
        credentials: Callable[[], Credentials],
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self._options = options
        self._credentials = credentials
        self._clock = clock
        self._lock = ProcessLock()
        self._plugin: Any = None
        self._session: Session | None = None
        self._current: Access | None = None
        self._renew_at = self._ends_at = 0.0

    def access(self) -> Access:
        with self._lock:
            if self._current is None or self._clock() >= self._renew_at:
                self._renew()
            assert self._current is not None  # noqa: S101 - _renew raises or sets it
            return self._current

    def refused(self, access: Access) -> None:
        """Only the first of many threads that were refused the same token makes it renewed."""
        with self._lock:
            if self._current is not None and access.token == self._current.token:
                self._current = None

    def forbidden(self, detail: str) -> errors.ImgstoreError:
        return swift_errors.forbidden(detail)

    def close(self) -> None:
        """Returns the connections."""
        with self._lock:
            session, self._session = self._session, None
            self._plugin = None
        if session is not None:
            close_sockets(session.session)
            session.session.close()

    def _forked(self) -> None:
        self._session = self._plugin = None

    def _renew(self) -> None:
        try:
            self._ask()
        except swift_errors.Passing as error:
            if self._current is None or self._clock() >= self._ends_at:
                raise
            LOG.warning("The token could not be renewed yet: %s", describe(error))

    def _ask(self) -> None:
        session, plugin = self._opened()
        asked_at = self._clock()
        plugin.invalidate()
        try:
            found = plugin.get_access(session)
            url = self._options.account_url or found.service_catalog.url_for(**self._options.endpoint_wanted)
        except keystone.ClientException as error:
            raise swift_errors.from_keystone(error) from None
        life = _life(found.issued, found.expires)
        self._ends_at = asked_at + life
        self._renew_at = self._ends_at - min(MARGIN, life / SHARE)
        self._current = Access(found.auth_token, url.rstrip("/"))

    def _opened(self) -> tuple[Session, Any]:
        if self._session is None:
            self._plugin = _plugin(self._credentials())
            # No secrets: a redirect would take the password along to any host.
            self._session = Session(verify=self._options.verify, timeout=self._options.read_timeout, redirect=False)
        return self._session, self._plugin


class CallerToken:
    """What a caller brought along: a token, and the account in which it is used."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def access(self) -> Access:
        return self._access

    def refused(self, access: Access) -> None:
        raise errors.Unauthenticated("The token is not valid any more.")

    def forbidden(self, detail: str) -> errors.ImgstoreError:
        return errors.Forbidden("Image storage does not let the caller do this.", detail=detail)


def _life(issued: datetime.datetime | None, expires: datetime.datetime | None) -> float:
    """Seconds between the two, which are of one clock, though perhaps not of ours; for ever if nothing is said."""
    if issued is None or expires is None:
        return float("inf")
    return (expires - issued).total_seconds()


def _plugin(who: Credentials) -> Any:
    """keystoneauth's names of the options are ours."""
    if who.auth_version == V1:
        return authv1.PasswordPlugin(who.token_url, who.username, who.password)
    user = {name: getattr(who, name) for name in ("username", "user_id", "user_domain_name")}
    user["user_domain_id"] = _domain(who.user_domain_id, who.user_domain_name, unless=who.user_id)
    if who.by_application:
        parts = ("id", "name", "secret")
        secret = {name: getattr(who, name) for name in (f"application_credential_{part}" for part in parts)}
        return v3.ApplicationCredential(_v3_url(who.token_url), **secret, **user)
    project = {name: getattr(who, name) for name in ("project_name", "project_id", "project_domain_name")}
    project["project_domain_id"] = _domain(who.project_domain_id, who.project_domain_name, unless=who.project_id)
    return v3.Password(_v3_url(who.token_url), password=who.password or "", **project, **user)


def _domain(identifier: str | None, name: str | None, *, unless: str | None) -> str | None:
    """Keystone's first domain, where a name needs one and none is given."""
    return identifier or (None if name or unless else "default")


def _v3_url(url: str) -> str:
    return url if url.endswith("/v3") else f"{url}/v3"
