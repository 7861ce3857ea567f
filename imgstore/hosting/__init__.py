"""For a host's own table of images: leases, recovery, removals and purge, by a thread that any service takes.

A host implements `KeptCatalog` beside `ImageCatalog`, on a table and with a database of its own, puts `LeasedCatalog`
around it, and starts a `Keeper` in each process:

    catalog = LeasedCatalog(Table())
    uploads = UploadService(stores, catalog=catalog, quota=quota)
    keeper = Keeper(catalog, stores, quota)
    keeper.start()

A host that would rather not write the compare-and-sets implements `ImageTable`, three methods, and gives it to
`TableCatalog`, which is the table for `LeasedCatalog`. `TablePlaces` remembers the places of the stores in the same
way: `Keeper(..., places=TablePlaces(Places()))`.

After `kill -9` of any process another one, or the next one, sets its images back to `queued` within a lease, removes
what it left in the stores, and ends its holds on the quota. What `__all__` names is public; the rest may change.
"""

from imgstore.hosting.keeper import Keeper
from imgstore.hosting.leased_catalog import LeasedCatalog, LeasedCopyCatalog
from imgstore.hosting.place_table import PlaceTable, TablePlaces
from imgstore.hosting.protocols import (
    EndsUploads,
    HostCatalog,
    HostCopyCatalog,
    KeptCatalog,
    KeptQuota,
    RestoreMemory,
)
from imgstore.hosting.rows import ImageRow, ImageTable, Values
from imgstore.hosting.table import TableCatalog
from imgstore.model import DeadAttempt, KnownPlace, ObjectId, Removal, Standing
from imgstore.transfers.places import PlaceMemory

__all__ = [
    "DeadAttempt", "EndsUploads", "HostCatalog", "HostCopyCatalog", "ImageRow", "ImageTable", "Keeper", "KeptCatalog",
    "KeptQuota", "KnownPlace", "LeasedCatalog", "LeasedCopyCatalog", "ObjectId", "PlaceMemory", "PlaceTable", "Removal",
    "RestoreMemory", "Standing", "TableCatalog", "TablePlaces", "Values",
]  # fmt: skip
