"""Callers with tokens of Keystone: keystonemiddleware's auth_token decides, this module asks it and passes it on.

The middleware is not put in front of the service but asked about a request before the service looks at it: an answer of
its own becomes one of the library's errors, so that clients get it in the form they accept, and image data never passes
through it. It takes the headers that only it may set (X-Project-Id, X-Roles ...) out of what the client sent. It reads
no body: a client that waits for 100 Continue sends nothing in vain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException
from keystonemiddleware import auth_token  # type: ignore[import-untyped]  # it comes without types
from keystonemiddleware.exceptions import KeystoneMiddlewareException  # type: ignore[import-untyped]  # the same

from imgstore import errors
from imgstore.service.auth.identity import IdentityUnavailable
from imgstore.service.auth.policy_rules import SECTION as POLICY
from imgstore.service.auth.policy_rules import Rules, quiet
from imgstore.service.auth.policy_rules import options as policy_options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from oslo_config import cfg

    from imgstore.sql import Caller

SECTION = "keystone_authtoken"

_PASSED = "imgstore.token_is_valid"


class Keystone:
    """Finds the callers of requests by their tokens. Raises ConfigurationError for what cannot work."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._rules = Rules(conf)
        # Given here, the option cannot be turned on in the file: a request without a token never passes.
        settings = {"oslo_config_config": conf, "delay_auth_decision": False}
        try:
            self._middleware = auth_token.AuthProtocol(_pass, settings)
        except (ClientException, KeystoneMiddlewareException, ValueError) as error:
            raise _unusable(f"cannot be used ({error}).", "Correct its options.") from error

    def __call__(self, environ: WSGIEnvironment) -> Caller:
        """The caller. Raises Unauthenticated, IdentityUnavailable."""
        environ.pop(_PASSED, None)
        answer = _Answer()
        try:
            self._middleware(environ, answer.start)
        except (ClientException, KeystoneMiddlewareException) as error:
            raise _unavailable(f"{type(error).__name__}: {error}") from error
        if environ.pop(_PASSED, False) is not True:
            raise _refusal(answer)
        return self._rules.caller_of(environ)


class _Answer:
    """What the middleware answers by itself."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Any:
        """The middleware's `start_response`."""
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}


def _pass(environ: WSGIEnvironment, start_response: StartResponse) -> Sequence[bytes]:
    """What stands behind the middleware."""
    environ[_PASSED] = environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed"
    start_response("204 No Content", [])
    return ()


def _refusal(answer: _Answer) -> errors.ImgstoreError:
    if answer.status.startswith("401"):
        challenge = answer.headers.get("www-authenticate", "Keystone")
        return errors.Unauthenticated("A valid token is needed: send it in X-Auth-Token.", challenge=challenge)
    return _unavailable(f"auth_token answered {answer.status}")


def _unavailable(detail: str) -> IdentityUnavailable:
    return IdentityUnavailable("The identity service is not available.", detail=detail, retry_after=10)


def sections(conf: cfg.ConfigOpts) -> Mapping[str, Sequence[cfg.Opt]]:
    """The sections that Keystone and its policy need, with their options. Raises ConfigurationError."""
    common = dict(auth_token.list_opts())[SECTION]
    conf.register_opts(common, group=SECTION)
    section = conf[SECTION].auth_section or SECTION
    conf.register_opts(loading.get_auth_common_conf_options(), group=section)
    known = {POLICY: policy_options(), SECTION: [*common]}
    known.setdefault(section, []).extend(_plugin_options(conf[section].auth_type, section))
    if not conf[SECTION].www_authenticate_uri:
        raise _unusable("is not set.", "Set the URL at which clients get tokens.", "www_authenticate_uri")
    return known


def _plugin_options(name: str | None, section: str) -> list[cfg.Opt]:
    if not name:
        raise _unusable("is not set.", "Set it, as in 'auth_type = password'.", "auth_type", section)
    try:
        with quiet("stevedore"):
            options: list[cfg.Opt] = loading.get_auth_plugin_conf_options(loading.get_plugin_loader(name))
    except ClientException as error:
        raise _unusable(f"there is no '{name}'.", "Use 'password', for example.", "auth_type", section) from error
    return options


def _unusable(problem: str, cure: str, option: str | None = None, section: str = SECTION) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=section, option=option, cure=cure)
