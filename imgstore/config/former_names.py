"""What a driver imports that this version does not have: names of former versions, and what has taken their place.

Such a driver was not installed wrongly. Its author has something to change, and is told what (right blame).
"""

from __future__ import annotations

import re

SPI_HOME = "imgstore.driver"
PLACES = {
    "imgstore.capabilities": SPI_HOME,
    "imgstore.driver.parts": f"{SPI_HOME}.PartSizes",
    "imgstore.driver.multipart.PartedWriter": f"{SPI_HOME}.MultipartWriter",
    "imgstore.driver.translate.seam": f"{SPI_HOME}.storage_failures",
    "imgstore.parted": f"{SPI_HOME}.MultipartWriter",
    "imgstore.parts": f"{SPI_HOME}.PartSizes",
    "imgstore.ranged": f"{SPI_HOME}.RangedReader",
    "imgstore.seam": f"{SPI_HOME}.storage_failures",
}
"""By the name as a guide for drivers had it."""
_NAME = re.compile(r"cannot import name '(\w+)'")


def absent_name(module: str, error: ImportError) -> str | None:
    """The module or name of this library that the driver in `module` imports and that is not there; None if the import
    failed for another reason, or if the driver is the library's own."""
    if _is_ours(module) or not _is_ours(error.name or ""):
        return None
    name = _NAME.match(str(error))
    return f"{error.name}.{name[1]}" if name is not None else error.name


def place_of(name: str) -> str:
    """Where the driver's author finds what `name` was."""
    return PLACES.get(name, SPI_HOME)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "imgstore"
