"""The catalog and the quota ledger on SQLAlchemy: SQLite is the embedded default (extra `service`), PostgreSQL and
MariaDB or MySQL are for several machines. The only package that knows SQL."""

from imgstore.sql.address import Address, address_of_file, parse
from imgstore.sql.audit import Audit, Finding, compare, put_right
from imgstore.sql.catalog import SqlCatalog
from imgstore.sql.changes import NotInStore
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.leases import LEASE
from imgstore.sql.ledger.catalog_hooks import LedgerBooks
from imgstore.sql.ledger.charges import Account, Weight
from imgstore.sql.ledger.entries import Entry
from imgstore.sql.ledger.ledger import SqlLedger
from imgstore.sql.listing import ORDERS, SORT_KEYS, Condition, ImageQuery, SortKey
from imgstore.sql.locations import Place, Places
from imgstore.sql.records import EVERYTHING, Caller, Counts, ImageRecord, NewImage, Removal
from imgstore.sql.recovery import DeadAttempt, Recovery, Standing
from imgstore.sql.upgrade import CATALOG, LEDGER, PARTS, current, opened, upgrade

__all__ = [
    "CATALOG", "EVERYTHING", "LEASE", "LEDGER", "ORDERS", "PARTS", "SORT_KEYS", "Account", "Address", "Audit", "Caller",
    "Condition", "Counts", "Database", "DeadAttempt", "Entry", "Finding", "ImageQuery", "ImageRecord", "LedgerBooks",
    "NewImage", "NotInStore", "OutcomeUnknown", "Place", "Places", "Recovery", "Removal", "SortKey", "SqlCatalog",
    "SqlLedger", "Standing", "Weight", "address_of_file", "compare", "current", "opened", "parse", "put_right",
    "upgrade",
]  # fmt: skip
