"""Tokens: one for the whole store, shared by its threads, renewed before it ends and when Swift refuses it.

keystoneauth's plugins ask for tokens: its own for Keystone, swiftclient's for auth version 1. This module decides when
to renew one, by the share of its life that is left on this machine's own clock: the plugins would renew a token of less
than two minutes at every request. While one is renewed, all go on with the old one as long as it is good (`shared`). So
many requests refused at once cost one token, and a Keystone that stalls or fails stops nobody who has a good one.

A caller's own token (`CallerToken`) cannot be renewed: when Swift refuses it, the caller is told.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from swiftclient import authv1  # type: ignore[import-untyped]  # it comes without types

from imgstore import errors
from imgstore.driver.deadline import Deadline
from imgstore.driver.shared import Clock, Kept, Shared
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.connections import bound, close_sockets, timeouts_of
from imgstore.drivers.swift.credentials import V1, Credentials
from imgstore.drivers.swift.options import SwiftOptions

MARGIN = 120.0
SHARE = 5
"""A token is renewed MARGIN seconds before its end, or when a SHARE of its life is left, whichever is later."""


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


class StoreToken:
    """The store's own account. `credentials` gives who it is when the first token is needed. A child of a fork keeps
    the token."""

    def __init__(
        self,
        options: SwiftOptions,
        credentials: Callable[[], Credentials],
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._shared: Shared[Access] = Shared("token", patience=options.read_timeout, clock=clock)

    def access(self) -> Access:
        return self._shared.get(self._ask)

    def refused(self, access: Access) -> None:
        """Only the first of many threads that were refused the same token makes it renewed."""
        text = "Image storage is not available (HTTP 401: new tokens are refused)."
        told = swift_errors.Passing(text, detail="the storage's own check of tokens")
        self._shared.forget(lambda current: current.token == access.token, told)

    def forbidden(self, detail: str) -> errors.ImgstoreError:
        return swift_errors.forbidden(detail)

    def _ask(self) -> Kept[Access]:
        """A token, over a connection of its own: the next one is wanted in hours."""
        plugin = _plugin(self._credentials())
        # No secrets: a redirect would take the password along to any host.
        http = bound(requests.Session(), timeouts_of(self._options))
        session = Session(session=http, verify=self._options.verify, redirect=False)
        try:
            with Deadline(self._options.read_timeout):
                found = plugin.get_access(session)
            url = self._options.account_url or found.service_catalog.url_for(**self._options.endpoint_wanted)
        except keystone.ClientException as error:
            raise swift_errors.from_keystone(error) from None
        finally:
            close_sockets(http)
            http.close()
        life = _life(found.issued, found.expires)
        return Kept(Access(found.auth_token, url.rstrip("/")), fresh=life - min(MARGIN, life / SHARE), good=life)


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
