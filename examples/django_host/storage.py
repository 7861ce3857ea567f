"""Stores, quota and recovery: made in each process, after the server forked it."""

from django.conf import settings
from gunicorn.http.errors import ParseException

from django_host.models import Table
from imgstore import DownloadService, UploadService, config
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.hosting import Keeper, LeasedCatalog, TableCatalog
from imgstore.http import ImageData
from imgstore.sql import SqlLedger

conf = config.from_mapping(settings.IMGSTORE)
stores = config.build_stores(conf)
images = TableCatalog(Table(), lease=settings.LEASE)
quota = SqlLedger(f"sqlite:///{settings.VAR}/images.db", config.quota_limits(conf, stores), lease=settings.LEASE)
catalog = LeasedCatalog(images)
uploads = UploadService(stores, catalog=catalog, quota=quota, settings=config.upload_settings(conf))
data = ImageData(uploads, DownloadService(stores, source=images))
broken = (ParseException,)  # the latter is gunicorn's for malformed framing; of Django it would be a 500
app = ImageDataApp(data, context=lambda environ: environ["images.user"], input_errors=broken)
keeper = Keeper(catalog, stores, quota)
