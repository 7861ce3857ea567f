"""Whatever fsspec knows as a store: SFTP, WebDAV, HDFS, Google's, Azure's and others' object storage."""

from imgstore.distribution import needs

with needs("fsspec"):
    import fsspec as _  # noqa: F401 - told here, with the cure, if the extra is missing

from imgstore.drivers.fsspec.driver import FsspecDriver

__all__ = ["FsspecDriver"]
