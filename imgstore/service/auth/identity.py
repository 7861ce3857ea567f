"""How the service asks Keystone, for tokens and for limits, and the error where Keystone cannot be asked.

A question with all its tries ends in STALLS times the seconds that one answer may take, also where Keystone drips
(trouble stays where it is).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from keystoneauth1 import loading, session
from keystoneauth1.exceptions import ClientException

from imgstore import errors
from imgstore.driver.bounded_http import bounded_pools
from imgstore.driver.deadline import STALLS, Deadline

if TYPE_CHECKING:
    from oslo_config import cfg

TIMEOUT = 10
"""Seconds for one answer, unless the options say otherwise: the libraries wait without end."""
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError, NotImplementedError)
"""What the libraries raise for an answer that is none of Keystone's: a proxy's page, JSON of another kind."""


class IdentityUnavailable(errors.ImgstoreError):
    """Keystone cannot be asked, or refuses the service's own credentials: who the caller is, or what the caller may
    have, is unknown."""

    status = 503
    code = "identity-unavailable"
    title = "Service Unavailable"
    retryable = True


def unavailable(message: str, detail: str) -> IdentityUnavailable:
    """The error for a Keystone that cannot be asked now."""
    return IdentityUnavailable(message, detail=detail, retry_after=10)


def bound(asked: session.Session) -> None:
    """From now on every wait of this session ends with the deadline of the thread that waits."""
    for adapter in {*asked.session.adapters.values()}:  # one may stand for both schemes
        if isinstance(adapter, session.TCPKeepAliveAdapter):
            pools = adapter.poolmanager.pool_classes_by_scheme
            adapter.poolmanager.pool_classes_by_scheme = bounded_pools(pools["http"], pools["https"])


def deadline(timeout: float | None) -> Deadline:
    """The end of one question; `timeout`: seconds for one answer."""
    return Deadline(None if timeout is None else STALLS * timeout)


def unusable(problem: str, cure: str, *, section: str, option: str | None = None) -> errors.ConfigurationError:
    """The error for options of Keystone with which the service cannot start."""
    return errors.ConfigurationError(problem, section=section, option=option, cure=cure)


def plugin_options(name: str | None, section: str) -> Sequence[cfg.Opt]:
    """The options of keystoneauth's plugin `name`, as `section` has them. Raises ConfigurationError."""
    if not name:
        raise unusable("is not set.", "Set it, as in 'auth_type = password'.", section=section, option="auth_type")
    try:
        with quiet("stevedore"):
            options: Sequence[cfg.Opt] = loading.get_auth_plugin_conf_options(loading.get_plugin_loader(name))
    except ClientException as error:
        problem, cure = f"there is no '{name}'.", "Use 'password', for example."
        raise unusable(problem, cure, section=section, option="auth_type") from error
    return options


@contextlib.contextmanager
def quiet(library: str) -> Iterator[None]:
    """Inside, a library logs nothing: what stops the start is told in one line and in our words."""
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
