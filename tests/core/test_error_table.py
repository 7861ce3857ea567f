"""A table says what foreign exceptions mean; nothing of what they say comes out (laws "right blame", "no secrets")."""

from __future__ import annotations

import errno

import pytest

from imgstore import errors
from imgstore.driver import ErrorTable
from imgstore.testing.bench import texts

SECRET = "hunter2"


class Answered(Exception):
    """A client library's, with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"https://user:{SECRET}@host said {status}")
        self.status = status


class Missing(FileNotFoundError):
    """A class below one in the table."""


def by_status(error: Answered) -> type[errors.StoreError] | None:
    return {404: errors.ObjectNotFound, 507: errors.StoreFull}.get(error.status)


ERRORS = ErrorTable(
    {
        FileNotFoundError: errors.ObjectNotFound,
        Missing: errors.ObjectChanged,
        Answered: by_status,
        EOFError: errors.StoreUnavailable,
    }
)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (FileNotFoundError(SECRET), errors.ObjectNotFound),
        (Missing(SECRET), errors.ObjectChanged),  # the nearest class, whatever stands first
        (Answered(404), errors.ObjectNotFound),
        (Answered(507), errors.StoreFull),
        (Answered(500), errors.StoreUnavailable),  # the function has no answer
        (EOFError(SECRET), errors.StoreUnavailable),
        (OSError(errno.ENOSPC, "full"), errors.StoreFull),  # not in the table
        (ValueError(SECRET), errors.StoreUnavailable),
    ],
)
def test_an_exception_is_what_the_table_says_and_its_text_is_nowhere(raised: Exception, kind: type) -> None:
    with pytest.raises(errors.StoreError) as caught, ERRORS.around("deleting"):
        raise raised
    assert type(caught.value) is kind
    assert type(raised).__name__ in (caught.value.detail or "") or isinstance(raised, OSError)
    assert not [text for text in texts(caught.value) if SECRET in text]


@pytest.mark.parametrize("raised", [errors.ObjectExists("there"), KeyboardInterrupt()])
def test_the_librarys_own_and_interrupts_go_on_as_they_are(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, ERRORS.around("deleting"):
        raise raised
    assert caught.value is raised
