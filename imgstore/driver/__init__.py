"""The SPI: all that the author of a store driver needs, and nothing else.

A driver subclasses `StoreDriver`, `ObjectWriter` and `ObjectReader`. `MultipartWriter` and `RangedReader` are bases for
storages that take large objects in parts and that are read by ranges. `DriverWrapper` is for a driver around another
one. The protocols of what only some storages can do are here, and the options of a driver. What `__all__` names is
public, and changes only with `SPI`. `imgstore.driver.bounded_http` and `imgstore.driver.sockets`, for an SDK on
urllib3, are public too.
"""

from typing import TYPE_CHECKING

from imgstore.driver.base import READ_SIZE, ObjectReader, ObjectWriter, StoreDriver, WriterState, check_key, is_key
from imgstore.driver.signatures import SPI

if TYPE_CHECKING:
    from imgstore.driver.background import undo_soon
    from imgstore.driver.capabilities import (
        ClearsLeftovers,
        CopiesObjects,
        FindsLeftovers,
        HasBorders,
        HasCapacity,
        HasPlace,
        HidesVersions,
        KeepsEpoch,
        ListsObjects,
        MakesTemporaryUrls,
        MeasuresSpace,
        SharesObjects,
        TellsFacts,
    )
    from imgstore.driver.capacity import CapacityAccount
    from imgstore.driver.deadline import Deadline, Pace, Stop, expect_wanted, is_in_haste, pause
    from imgstore.driver.forks import OfOneProcess, ProcessLock
    from imgstore.driver.multipart import MultipartWriter, Part
    from imgstore.driver.options import Options, bad, option, size_opt, size_option
    from imgstore.driver.part_sizes import PartSizes
    from imgstore.driver.place import MARK_NAME, mark_in, text_of
    from imgstore.driver.ranged import Body, Opened, RangedReader
    from imgstore.driver.translate import OnFailure, storage_failures, undone_copy
    from imgstore.driver.wrapper import DriverWrapper, ReaderWrapper, WriterWrapper
else:

    def __getattr__(name: str) -> object:
        """The rest is imported when somebody asks for it: a host that only uploads needs none of it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        from imgstore.driver import (
            background,
            capabilities,
            capacity,
            deadline,
            forks,
            multipart,
            options,
            part_sizes,
            place,
            ranged,
            translate,
            wrapper,
        )

        rooms = (background, capabilities, capacity, deadline, forks, multipart, options, part_sizes, place, ranged)
        return next(vars(room)[name] for room in (*rooms, translate, wrapper) if name in vars(room))


__all__ = [
    "MARK_NAME",
    "READ_SIZE",
    "SPI",
    "Body",
    "CapacityAccount",
    "ClearsLeftovers",
    "CopiesObjects",
    "Deadline",
    "DriverWrapper",
    "FindsLeftovers",
    "HasBorders",
    "HasCapacity",
    "HasPlace",
    "HidesVersions",
    "KeepsEpoch",
    "ListsObjects",
    "MakesTemporaryUrls",
    "MeasuresSpace",
    "MultipartWriter",
    "ObjectReader",
    "ObjectWriter",
    "OfOneProcess",
    "OnFailure",
    "Opened",
    "Options",
    "Pace",
    "Part",
    "PartSizes",
    "ProcessLock",
    "RangedReader",
    "ReaderWrapper",
    "SharesObjects",
    "Stop",
    "StoreDriver",
    "TellsFacts",
    "WriterState",
    "WriterWrapper",
    "bad",
    "check_key",
    "expect_wanted",
    "is_in_haste",
    "is_key",
    "mark_in",
    "option",
    "pause",
    "size_opt",
    "size_option",
    "storage_failures",
    "text_of",
    "undo_soon",
    "undone_copy",
]
