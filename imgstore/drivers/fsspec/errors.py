"""What fsspec's filesystems raise becomes the library's errors; most of them speak in Python's own exceptions."""

from __future__ import annotations

from imgstore import errors
from imgstore.driver import ErrorTable


def _by_name(error: Exception) -> type[errors.StoreError] | None:
    """webdav4's own for 507, by its name: the package need not be there."""
    return errors.StoreFull if type(error).__name__ == "InsufficientStorage" else None


ERRORS = ErrorTable(
    {FileNotFoundError: errors.ObjectNotFound, FileExistsError: errors.ObjectExists, Exception: _by_name}
)

ANSWERS = (FileNotFoundError, FileExistsError, errors.ObjectNotFound, errors.ObjectExists, errors.ObjectChanged)
"""After any other failure nobody knows what the connection is good for."""
