"""The seams between the library and code that is not its own: whatever a driver or a host raises becomes an error of
the library, of the right blame (law 11). What such an exception says is not quoted, since it may hold a credential
(law 7); its class and the line of code that raised it are in the error's detail, for the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from imgstore import errors


@contextlib.contextmanager
def seam(action: str) -> Iterator[None]:
    """Around a driver's own code, which was `action`: what is not one of the library's errors becomes a StoreError.

    Used by the final methods of drivers, writers and readers, and by drivers in those that are not final: `check`,
    `close` and what a capability has.
    """
    try:
        yield
    except errors.ImgstoreError:
        raise
    except OSError as error:
        raise errors.from_os_error(error, action) from error
    except Exception as error:
        detail = errors.kind_and_place(error)
        raise errors.StoreUnavailable(f"The storage failed while {action}.", detail=detail) from error


@contextlib.contextmanager
def host_seam(action: str) -> Iterator[None]:
    """Around the host's catalog or quota, which was `action`: what is not one of the library's errors means that it
    cannot be reached."""
    try:
        yield
    except errors.ImgstoreError:
        raise
    except Exception as error:
        detail = errors.kind_and_place(error)
        raise errors.CatalogUnavailable(f"The service's catalog failed while {action}.", detail=detail) from error


def refuse_overrides(cls: type, owner: type, final_names: frozenset[str]) -> None:
    """The final methods of `owner` hold the laws; a driver that replaced one, by a mixin too, would be outside them."""
    for base in cls.__mro__[: cls.__mro__.index(owner)]:
        for name in final_names & vars(base).keys():
            raise TypeError(f"{base.__name__}.{name} is final: implement _{name} instead")
