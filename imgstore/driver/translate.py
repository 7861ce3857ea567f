"""The seams between the library and code that is not its own: whatever a driver or a host raises becomes an error of
the library, of the right blame (law 11). What such an exception says is not quoted, since it may hold a credential
(law 7); its class and the line of code that raised it are in the error's detail, for the log.
"""

from __future__ import annotations

from functools import partial

from imgstore import errors
from imgstore.driver.guard import Guard


def seam(action: str) -> Guard:
    """Around a driver's own code, which was `action`: what is not one of the library's errors becomes a StoreError.

    Used by the final methods of drivers, writers and readers, and by drivers in those that are not final: `check`,
    `close` and what a capability has.
    """
    return Guard(partial(_storage_failed, action))


def host_seam(action: str) -> Guard:
    """Around the host's catalog or quota, which was `action`: what is not one of the library's errors means that it
    cannot be reached."""
    return Guard(partial(_host_failed, action))


def refuse_overrides(cls: type, owner: type, final_names: frozenset[str]) -> None:
    """The final methods of `owner` hold the laws; a driver that replaced one, by a mixin too, would be outside them."""
    for base in cls.__mro__[: cls.__mro__.index(owner)]:
        for name in final_names & vars(base).keys():
            raise TypeError(f"{base.__name__}.{name} is final: implement _{name} instead")


def _storage_failed(action: str, error: BaseException) -> None:
    if not _is_foreign(error):
        return
    if isinstance(error, OSError):
        raise errors.from_os_error(error, action) from error
    detail = errors.kind_and_place(error)
    raise errors.StoreUnavailable(f"The storage failed while {action}.", detail=detail) from error


def _host_failed(action: str, error: BaseException) -> None:
    if _is_foreign(error):
        detail = errors.kind_and_place(error)
        raise errors.CatalogUnavailable(f"The service's catalog failed while {action}.", detail=detail) from error


def _is_foreign(error: BaseException) -> bool:
    """Whether it is neither one of the library's errors nor an interrupt."""
    return isinstance(error, Exception) and not isinstance(error, errors.ImgstoreError)
