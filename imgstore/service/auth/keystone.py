"""Callers with tokens of Keystone: keystonemiddleware's auth_token checks the token of each request.

The middleware does not stand in front of the service but is asked first: its refusal becomes one of the library's
errors, so that clients get it in the form that they accept, and image data never passes through it. It removes the
headers that only it may set (X-Project-Id, X-Roles ...) from the request. It reads no body, so a client that waits for
100 Continue sends nothing in vain (refuse early).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException
from keystonemiddleware import auth_token  # type: ignore[import-untyped]  # it comes without types
from keystonemiddleware.exceptions import KeystoneMiddlewareException  # type: ignore[import-untyped]  # the same

from imgstore import errors
from imgstore.service.auth import identity
from imgstore.service.auth.policy_rules import SECTION as POLICY
from imgstore.service.auth.policy_rules import PolicyRules
from imgstore.service.auth.policy_rules import options as policy_options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from oslo_config import cfg

    from imgstore.sql import Caller

SECTION = "keystone_authtoken"
NOT_AVAILABLE = "The identity service is not available."

_PASSED = "imgstore.token_is_valid"


class Keystone:
    """Finds the callers of requests by their tokens, on any thread. Raises ConfigurationError for unusable options."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._rules = PolicyRules(conf)
        conf.set_default("http_connect_timeout", identity.TIMEOUT, group=SECTION)
        # Set here, the file cannot turn it on: a request without a token never passes.
        settings = {"oslo_config_config": conf, "delay_auth_decision": False}
        try:
            self._middleware = auth_token.AuthProtocol(_pass, settings)
            self._middleware._token_cache.initialize({})  # else the first request finds out what it lacks
        except ImportError as error:
            problem, cure = f"the module '{error.name}' is missing.", "Install it, or use another cache."
            raise identity.unusable(problem, cure, section=SECTION, option="memcached_servers") from error
        except (ClientException, KeystoneMiddlewareException, ValueError) as error:
            raise identity.unusable(f"cannot be used ({error}).", "Correct its options.", section=SECTION) from error
        self._timeout: float | None = conf[SECTION].http_connect_timeout
        identity.bound(self._middleware._session)

    def __call__(self, environ: WSGIEnvironment) -> Caller:
        """The caller. Raises Unauthenticated, IdentityUnavailable."""
        environ.pop(_PASSED, None)
        answer = _Answer()
        try:
            with identity.deadline(self._timeout):
                self._middleware(environ, answer.start)
        except (ClientException, KeystoneMiddlewareException, *identity.MALFORMED) as error:
            raise identity.unavailable(NOT_AVAILABLE, f"{type(error).__name__}: {error}") from error
        if environ.pop(_PASSED, False) is not True:
            raise _refusal(answer)
        return self._rules.caller_of(environ)


class _Answer:
    """The middleware's own answer."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Any:
        """The middleware's `start_response`."""
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}


def _pass(environ: WSGIEnvironment, start_response: StartResponse) -> Sequence[bytes]:
    """The application behind the middleware: it notes that the token is valid."""
    environ[_PASSED] = environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed"
    start_response("204 No Content", [])
    return ()


def _refusal(answer: _Answer) -> errors.ImgstoreError:
    if answer.status.startswith("401"):
        challenge = answer.headers.get("www-authenticate", "Keystone")
        return errors.Unauthenticated("A valid token is needed: send it in X-Auth-Token.", challenge=challenge)
    return identity.unavailable(NOT_AVAILABLE, f"auth_token answered {answer.status}")


def sections(conf: cfg.ConfigOpts) -> Mapping[str, Sequence[cfg.Opt]]:
    """The sections that Keystone and its policy need, with their options. Raises ConfigurationError."""
    common = dict(auth_token.list_opts())[SECTION]
    conf.register_opts(common, group=SECTION)
    section = conf[SECTION].auth_section or SECTION
    conf.register_opts(loading.get_auth_common_conf_options(), group=section)
    known = {POLICY: policy_options(), SECTION: [*common]}
    known.setdefault(section, []).extend(identity.plugin_options(conf[section].auth_type, section))
    if not conf[SECTION].www_authenticate_uri:
        cure = "Set the URL at which clients get tokens."
        raise identity.unusable("is not set.", cure, section=SECTION, option="www_authenticate_uri")
    return known
