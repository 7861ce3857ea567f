"""imgstore: the storage layer of an image service.

Bytes come in by push (`UploadService.begin`, `session.write`, `session.finish`) and end as a durable, verified,
quota-counted object in a store, or as nothing at all. `doc/design.md` has the laws and the map of the modules.

What is public is loaded when it is first asked for: the command line begins without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgstore.errors import ImgstoreError
    from imgstore.model import Location, UploadRequest, UploadResult
    from imgstore.store import Store, StoreSet
    from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
    from imgstore.transfers.download import Download, DownloadService
    from imgstore.transfers.session import UploadSession
    from imgstore.transfers.upload import UploadService, UploadSettings

__version__ = "0.2.0"
"""The only place that has it: `setup.cfg` reads it here, without an import."""

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
    "__version__",
]


def __getattr__(name: str) -> object:
    """What `__all__` names, and then the modules that it comes from."""
    if name not in __all__:
        raise AttributeError(f"module 'imgstore' has no attribute '{name}'")
    from imgstore.errors import ImgstoreError
    from imgstore.model import Location, UploadRequest, UploadResult
    from imgstore.store import Store, StoreSet
    from imgstore.transfers.copy import CopyRequest, CopyService, ImageCopy
    from imgstore.transfers.download import Download, DownloadService
    from imgstore.transfers.session import UploadSession
    from imgstore.transfers.upload import UploadService, UploadSettings

    found = (
        CopyRequest, CopyService, Download, DownloadService, ImageCopy, ImgstoreError, Location, Store, StoreSet,
        UploadRequest, UploadResult, UploadService, UploadSession, UploadSettings,
    )  # fmt: skip
    globals().update({each.__name__: each for each in found})
    return globals()[name]
