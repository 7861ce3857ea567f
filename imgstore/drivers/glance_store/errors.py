"""glance_store's exceptions become the library's."""

from __future__ import annotations

from glance_store import exceptions as theirs

from imgstore import errors
from imgstore.driver import ErrorTable

ERRORS = ErrorTable(
    {
        theirs.NotFound: errors.ObjectNotFound,
        theirs.Duplicate: errors.ObjectExists,
        theirs.StorageFull: errors.StoreFull,
        theirs.GlanceStoreException: errors.StoreUnavailable,
        theirs.BackendException: errors.StoreUnavailable,
    }
)
"""One that is in use by a snapshot, or as another store's, is unavailable too: it cannot be removed now."""
