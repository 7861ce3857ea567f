"""Stores, quota and recovery: made in each process."""

import os

from fastapi_host.models import DATABASE, VAR, Table
from imgstore import DownloadService, UploadService, config
from imgstore.adapters.asgi import ImageDataApp
from imgstore.hosting import Keeper, LeasedCatalog, TableCatalog
from imgstore.http import ImageData
from imgstore.sql import SqlLedger

LEASE = int(os.environ.get("IMAGES_LEASE", "60"))
GENERAL = {"enabled_stores": "fs:filesystem", "project_quota": "10 GiB"}
conf = config.from_mapping({"imgstore": GENERAL, "fs": {"datadir": VAR / "images"}})
stores = config.build_stores(conf)
images = TableCatalog(Table(), lease=LEASE)
quota = SqlLedger(DATABASE, config.quota_limits(conf, stores), lease=LEASE)
catalog = LeasedCatalog(images)
uploads = UploadService(stores, catalog=catalog, quota=quota, settings=config.upload_settings(conf))
data = ImageData(uploads, DownloadService(stores, source=images))
app = ImageDataApp(data, context=lambda scope: scope["state"]["user"])
keeper = Keeper(catalog, stores, quota)
