"""The caller of a request: found once, before anything else is looked at, and kept in the request's environ.

Without Keystone the project is what X-Project-Id says, without proof: for trusted networks only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from imgstore import errors
from imgstore.sql import Caller

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    Authenticate: TypeAlias = Callable[[WSGIEnvironment], Caller]

DEFAULT_PROJECT = "default"
LONGEST = 255

_CALLER = "imgstore.caller"


def claimed(environ: WSGIEnvironment) -> Caller:
    """The caller as the request says. Raises InvalidRequest for a project that cannot be one."""
    project: str = environ.get("HTTP_X_PROJECT_ID", DEFAULT_PROJECT).strip(" \t")
    if not (project.isascii() and project.isprintable() and 0 < len(project) <= LONGEST):
        raise errors.InvalidRequest(f"X-Project-Id must be 1 to {LONGEST} printable ASCII characters.")
    return Caller(project)


def remember(environ: WSGIEnvironment, caller: Caller) -> None:
    """Keeps the caller with the request, where no header of a client can set it."""
    environ[_CALLER] = caller


def caller_of(environ: WSGIEnvironment) -> Caller:
    """The caller of an authenticated request. Raises Unauthenticated for another one."""
    caller = environ.get(_CALLER)
    if not isinstance(caller, Caller):
        raise errors.Unauthenticated("The request is not authenticated.")
    return caller


def project_of(environ: WSGIEnvironment) -> str:
    """The caller's project for the log; "-" where there is none."""
    caller = environ.get(_CALLER)
    return (caller.project_id if isinstance(caller, Caller) else None) or "-"
