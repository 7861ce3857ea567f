"""The catalog and the quota ledger on SQLAlchemy: SQLite embedded (extra `sql`), PostgreSQL, MariaDB and MySQL for
several machines. It is the only package that knows SQL.

A host takes `SqlCatalog` or `SqlLedger` or both. If both share a database, `LedgerHooks` makes their changes one
transaction; so it does for a host's own table in that database (`borrowed`). What `__all__` names is public; the rest
may change.
"""

from imgstore.model import CatalogLocation, DeadAttempt, ObjectId, Removal, Standing, attempt_of
from imgstore.sql.address import Address, address_of_file, is_file_path, parse
from imgstore.sql.audit import Audit, AuditedAccount, compare, put_right
from imgstore.sql.borrowed import borrowed
from imgstore.sql.catalog import SqlCatalog
from imgstore.sql.census import Census, OpenAttempt, take_census
from imgstore.sql.changes import NotInStore
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown, WrongDatabase
from imgstore.sql.glance import GlanceImage, GlanceLocation, GlanceTables, glance_address
from imgstore.sql.leases import LEASE
from imgstore.sql.ledger.catalog_hooks import LedgerHooks
from imgstore.sql.ledger.charges import Charge, LedgerAccount
from imgstore.sql.ledger.entries import LedgerEntry
from imgstore.sql.ledger.ledger import SqlLedger
from imgstore.sql.listing import ORDERS, SORT_KEYS, Condition, ImageQuery, SortKey
from imgstore.sql.locations import CatalogLocations
from imgstore.sql.members import STATUSES as MEMBER_STATUSES
from imgstore.sql.members import ImageMembers, Member
from imgstore.sql.quota_hooks import QuotaHooks
from imgstore.sql.records import EVERYTHING, Caller, ImageRecord, NewImage
from imgstore.sql.recovery import AttemptRecovery
from imgstore.sql.restored import RestoredDatabase
from imgstore.sql.upgrade import CATALOG, LEDGER, PARTS, current, opened, upgrade

__all__ = [
    "CATALOG", "EVERYTHING", "LEASE", "LEDGER", "MEMBER_STATUSES", "ORDERS", "PARTS", "SORT_KEYS", "Address",
    "AttemptRecovery", "Audit", "AuditedAccount", "Caller", "CatalogLocation", "CatalogLocations", "Census", "Charge",
    "Condition", "Database", "DeadAttempt", "GlanceImage", "GlanceLocation", "GlanceTables", "ImageMembers",
    "ImageQuery", "ImageRecord", "LedgerAccount", "LedgerEntry", "LedgerHooks", "Member", "NewImage", "NotInStore",
    "ObjectId", "OpenAttempt", "OutcomeUnknown", "QuotaHooks", "Removal", "RestoredDatabase", "SortKey", "SqlCatalog",
    "SqlLedger", "Standing", "WrongDatabase", "address_of_file", "attempt_of", "borrowed", "compare", "current",
    "glance_address", "is_file_path", "opened", "parse", "put_right", "take_census", "upgrade",
]  # fmt: skip
