"""The catalog on SQLAlchemy: SQLite is the embedded default (extra `service`), PostgreSQL and MariaDB or MySQL are for
several machines. The only package that knows SQL."""

from imgstore.sql.address import Address, address_of_file, parse
from imgstore.sql.catalog import SqlCatalog
from imgstore.sql.changes import NotInStore
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.listing import ORDERS, SORT_KEYS, Condition, ImageQuery, SortKey
from imgstore.sql.records import EVERYTHING, Caller, Counts, ImageRecord, NewImage, Removal
from imgstore.sql.upgrading import CATALOG, PARTS, current, opened, upgrade

__all__ = [
    "CATALOG", "EVERYTHING", "ORDERS", "PARTS", "SORT_KEYS", "Address", "Caller", "Condition", "Counts", "Database",
    "ImageQuery", "ImageRecord", "NewImage", "NotInStore", "OutcomeUnknown", "Removal", "SortKey", "SqlCatalog",
    "address_of_file", "current", "opened", "parse", "upgrade",
]  # fmt: skip
