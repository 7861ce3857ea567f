"""Foreign exceptions become the library's errors by a table: their classes on the left, what they mean on the right.

    def _by_status(error: Any) -> type[errors.StoreError] | None:
        return errors.ObjectNotFound if error.status == 404 else None

    ERRORS = ErrorTable({
        FileNotFoundError: errors.ObjectNotFound,
        FileExistsError: errors.ObjectExists,
        HttpError: _by_status,
    })

    def _stat(self, key: str) -> ObjectInfo:
        with ERRORS.around("looking up an object"):
            ...

The nearest class of an exception decides. What is not in the table, or what a function answers None to, is translated
as `storage_failures` does it. What a foreign exception says may hold a credential, so it is neither quoted nor kept as
the cause; its class and the line of code that raised it are in the error's detail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from imgstore import errors
from imgstore.driver.translate import OnFailure, is_foreign, storage_failed
from imgstore.undo import describe, log_stack

Meaning = type[errors.StoreError] | Callable[[Any], type[errors.StoreError] | None]
"""A class of the library's, or a function that is given the exception and names one, or None."""

_WORDS: dict[type[errors.StoreError], str] = {
    errors.ObjectNotFound: "No object is there under that key.",
    errors.ObjectExists: "An object is already there under that key.",
    errors.StoreFull: "There is not enough room in the store.",
    errors.StoreReadOnly: "The store takes no new images.",
    errors.ObjectChanged: "The object changed in the store.",
}


class ErrorTable:
    """What exceptions of a client library mean. It holds nothing of a call and serves many threads."""

    def __init__(self, meanings: Mapping[type[BaseException], Meaning]) -> None:
        self._meanings = dict(meanings)

    def around(self, action: str) -> OnFailure:
        """Around calls of the client library, which were `action`, as in "deleting"."""
        return OnFailure(partial(self._failed, action))

    def meaning(self, error: BaseException) -> type[errors.StoreError] | None:
        """The class of the library's that the table has for an exception; None for none."""
        found = next((self._meanings[kind] for kind in type(error).__mro__ if kind in self._meanings), None)
        return found if found is None or isinstance(found, type) else found(error)

    def _failed(self, action: str, error: BaseException) -> None:
        if not is_foreign(error):
            return
        kind = self.meaning(error)
        if kind is None:
            _without_cause(action, error)
            return
        log_stack(error)
        words = _WORDS.get(kind, f"Image storage is not available ({type(error).__name__}) while {action}.")
        raise kind(words, detail=describe(error)) from None


def _without_cause(action: str, error: BaseException) -> None:
    try:
        storage_failed(action, error)
    except errors.StoreError as translated:
        raise translated from None
