"""The catalog on SQLAlchemy: SQLite is the embedded default (extra `service`). The only package that knows SQL."""

from imgstore.sql.catalog import SqlCatalog
from imgstore.sql.changes import NotInStore
from imgstore.sql.database import OutcomeUnknown
from imgstore.sql.listing import ORDERS, SORT_KEYS, Condition, ImageQuery, SortKey
from imgstore.sql.records import EVERYTHING, Caller, Counts, ImageRecord, NewImage, Removal

__all__ = [
    "EVERYTHING", "ORDERS", "SORT_KEYS", "Caller", "Condition", "Counts", "ImageQuery", "ImageRecord", "NewImage",
    "NotInStore", "OutcomeUnknown", "Removal", "SortKey", "SqlCatalog",
]  # fmt: skip
