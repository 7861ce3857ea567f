"""The SPI: all that the author of a store driver needs, and nothing else.

A driver subclasses `StoreDriver`, `ObjectWriter` and `ObjectReader`. `MultipartWriter` and `RangedReader` are bases for
storages that take large objects in parts and that are read by ranges. `imgstore.driver.capabilities` has the protocols
of what only some storages can do, `imgstore.driver.options` the options that are sizes.
"""

from imgstore.driver.base import READ_SIZE, ObjectReader, ObjectWriter, StoreDriver, WriterState, check_key, is_key
from imgstore.driver.signatures import SPI

__all__ = ["READ_SIZE", "SPI", "ObjectReader", "ObjectWriter", "StoreDriver", "WriterState", "check_key", "is_key"]
