"""imgstore: the storage layer of an image service.

Bytes come in by push (`UploadService.begin`, `session.write`, `session.finish`) and end as a durable, verified,
quota-counted object in a store, or as nothing at all. `doc/design.md` has the laws and the map of the modules.
"""

from imgstore.errors import ImgstoreError
from imgstore.model import Location, UploadRequest, UploadResult
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
from imgstore.transfers.download import Download, DownloadService
from imgstore.transfers.session import UploadSession
from imgstore.transfers.upload import UploadService, UploadSettings

__all__ = [
    "CopyRequest",
    "CopyService",
    "Download",
    "DownloadService",
    "ImageCopy",
    "ImgstoreError",
    "Location",
    "Store",
    "StoreSet",
    "UploadRequest",
    "UploadResult",
    "UploadService",
    "UploadSession",
    "UploadSettings",
]
