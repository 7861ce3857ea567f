"""What fsspec's filesystems raise becomes the library's errors; all of them speak in Python's own exceptions."""

from __future__ import annotations

from imgstore import errors
from imgstore.driver import ErrorTable

ERRORS = ErrorTable({FileNotFoundError: errors.ObjectNotFound, FileExistsError: errors.ObjectExists})

ANSWERS = (FileNotFoundError, FileExistsError, errors.ObjectNotFound, errors.ObjectExists, errors.ObjectChanged)
"""After any other failure nobody knows what the connection is good for."""
