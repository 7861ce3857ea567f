"""The SPI: all that the author of a store driver needs, and nothing else.

A driver subclasses `StoreDriver`, `ObjectWriter` and `ObjectReader`. `MultipartWriter` and `RangedReader` are bases for
storages that take large objects in parts and that are read by ranges. `DriverWrapper` is for a driver around another
one. The protocols of what only some storages can do are here, and the options of a driver. What `__all__` names is
public, and changes only with `SPI`. These modules are public too, with all their names that begin with no underscore:
`imgstore.driver.background`, `imgstore.driver.deadline`, `imgstore.driver.place`, `imgstore.driver.shared`, and for an
SDK on urllib3 `imgstore.driver.bounded_http` and `imgstore.driver.sockets`.
"""

from typing import TYPE_CHECKING

from imgstore.driver.base import READ_SIZE, ObjectReader, ObjectWriter, StoreDriver, WriterState, check_key, is_key
from imgstore.driver.signatures import SPI

if TYPE_CHECKING:
    from imgstore.driver.background import look_late, undo_soon
    from imgstore.driver.bounded_calls import BoundedCalls
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
    from imgstore.driver.deadline import Deadline, Pace, Stop, expect_wanted, handed_down, is_in_haste, pause
    from imgstore.driver.error_table import ErrorTable
    from imgstore.driver.forks import OfOneProcess, ProcessLock
    from imgstore.driver.keyed import KeyedLocks
    from imgstore.driver.loggers import quiet
    from imgstore.driver.multipart import MultipartWriter, Part
    from imgstore.driver.options import Options, bad, option, size_opt, size_option
    from imgstore.driver.part_sizes import PartSizes
    from imgstore.driver.place import EPOCH_NAME, MARK_NAME, epoch_in, mark_in, text_of, text_of_epoch
    from imgstore.driver.ranged import Body, Opened, RangedReader
    from imgstore.driver.reader import EmptyReader
    from imgstore.driver.shared import Kept, Shared
    from imgstore.driver.translate import OnFailure, forget_frames, storage_failures, undone_copy
    from imgstore.driver.wrapper import DriverWrapper, ReaderWrapper, WriterWrapper
else:

    def __getattr__(name: str) -> object:
        """The rest is imported when somebody asks for it: a host that only uploads needs none of it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        from imgstore.driver import (
            background,
            bounded_calls,
            capabilities,
            capacity,
            deadline,
            error_table,
            forks,
            keyed,
            loggers,
            multipart,
            options,
            part_sizes,
            place,
            ranged,
            reader,
            shared,
            translate,
            wrapper,
        )

        rooms = (
            *(background, bounded_calls, capabilities, capacity, deadline, error_table, forks, keyed, multipart),
            *(options, part_sizes, place, loggers, ranged, reader, shared, translate, wrapper),
        )
        return next(vars(room)[name] for room in rooms if name in vars(room))


__all__ = [
    "EPOCH_NAME",
    "MARK_NAME",
    "READ_SIZE",
    "SPI",
    "Body",
    "BoundedCalls",
    "CapacityAccount",
    "ClearsLeftovers",
    "CopiesObjects",
    "Deadline",
    "DriverWrapper",
    "EmptyReader",
    "ErrorTable",
    "FindsLeftovers",
    "HasBorders",
    "HasCapacity",
    "HasPlace",
    "HidesVersions",
    "KeepsEpoch",
    "Kept",
    "KeyedLocks",
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
    "Shared",
    "SharesObjects",
    "Stop",
    "StoreDriver",
    "TellsFacts",
    "WriterState",
    "WriterWrapper",
    "bad",
    "check_key",
    "epoch_in",
    "expect_wanted",
    "forget_frames",
    "handed_down",
    "is_in_haste",
    "is_key",
    "look_late",
    "mark_in",
    "option",
    "pause",
    "quiet",
    "size_opt",
    "size_option",
    "storage_failures",
    "text_of",
    "text_of_epoch",
    "undo_soon",
    "undone_copy",
]
