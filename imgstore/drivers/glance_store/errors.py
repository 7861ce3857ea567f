"""glance_store's exceptions become the library's."""

from __future__ import annotations

from typing import NoReturn

from glance_store import exceptions as theirs

from imgstore import errors
from imgstore.driver.translate import OnFailure
from imgstore.undo import describe


def translated(action: str) -> OnFailure:
    """Around a call of a glance_store driver, which was `action`. Other exceptions go on as they are."""

    def failed(error: BaseException) -> None:
        if isinstance(error, (theirs.GlanceStoreException, theirs.BackendException)):
            _raise(action, error)

    return OnFailure(failed)


def _raise(action: str, error: BaseException) -> NoReturn:
    """What they say may hold a credential, so it is not quoted."""
    detail = describe(error)
    if isinstance(error, theirs.NotFound):
        raise errors.ObjectNotFound("No object is there under that key.", detail=detail) from error
    if isinstance(error, theirs.Duplicate):
        raise errors.ObjectExists("An object is already there under that key.", detail=detail) from error
    if isinstance(error, theirs.StorageFull):
        raise errors.StoreFull("There is not enough room in the store.", detail=detail) from error
    if isinstance(error, (theirs.InUseByStore, theirs.HasSnapshot)):
        raise errors.StoreUnavailable("The object is in use, and cannot be removed now.", detail=detail) from error
    message = f"Image storage is not available ({type(error).__name__}) while {action}."
    raise errors.StoreUnavailable(message, detail=detail) from error
