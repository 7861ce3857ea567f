"""Stores, quota and recovery: made in each process, after the server forked it."""

import os

from paste_host.models import VAR, Table

from imgstore import DownloadService, UploadService, config
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.hosting import Keeper, LeasedCatalog, TableCatalog
from imgstore.http import ImageData
from imgstore.limits import Allowance, FixedLimits
from imgstore.sql import SqlLedger

LEASE = int(os.environ.get("IMAGES_LEASE", "60"))
conf = config.from_mapping({"imgstore": {"enabled_stores": "files:filesystem"}, "files": {"datadir": VAR / "images"}})
stores = config.build_stores(conf)
images = TableCatalog(Table(), lease=LEASE)
quota = SqlLedger(f"sqlite:///{VAR}/images.db", FixedLimits(default=Allowance(size=100_000_000)), lease=LEASE)
catalog = LeasedCatalog(images)
uploads = UploadService(stores, catalog=catalog, quota=quota, settings=config.upload_settings(conf))
data = ImageData(uploads, DownloadService(stores, source=images))
app = ImageDataApp(data, context=lambda environ: environ["images.user"])
keeper = Keeper(catalog, stores, quota)
