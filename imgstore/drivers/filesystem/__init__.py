"""Images as files of a directory, on a local disk or a network filesystem."""

from imgstore.drivers.filesystem.driver import FilesystemDriver

__all__ = ["FilesystemDriver"]
