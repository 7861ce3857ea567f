"""What is said of each hook of the SPI, read from its docstring: what it does, on which thread it runs, what it may
raise, and who tries again. The words are the code's own, so the page cannot say anything else than the code does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from imgstore import driver
from imgstore.driver import Body, MultipartWriter, ObjectReader, ObjectWriter, StoreDriver, signatures
from imgstore.driver.base import _DRIVER_FINAL
from imgstore.driver.reader import _READER_FINAL
from imgstore.driver.writer import _WRITER_FINAL

BASES: tuple[type, ...] = (StoreDriver, ObjectWriter, ObjectReader, MultipartWriter, Body)
CAPABILITIES: tuple[type, ...] = signatures.OPTIONAL
FINAL: dict[type, frozenset[str]] = {
    StoreDriver: _DRIVER_FINAL | {"_missing"},  # which our own drivers share
    ObjectWriter: _WRITER_FINAL,
    ObjectReader: _READER_FINAL,
}
SAYS = "Thread: ... Raises: ... Tried again by: ..."
FACTS = re.compile(r"\s*Thread:\s(.*)\.\sRaises:\s(.*)\.\sTried\sagain\sby:\s(.*)\.\s*$", re.DOTALL)


@dataclass(frozen=True)
class Hook:
    """One method that a driver's author writes."""

    name: str
    signature: str
    required: bool
    meaning: str
    thread: str
    raises: str
    again: str


def hooks(owner: type) -> Iterator[Hook]:
    """Those of one class, in the order of the code. Raises LookupError for one whose docstring leaves a fact out."""
    for name, value in vars(owner).items():
        if name.startswith(("__", f"_{owner.__name__}__")) or name in FINAL.get(owner, ()):
            continue
        if isinstance(value, property) and value.fget is not None and owner in CAPABILITIES:
            yield _hook(owner, name, value, f" -> {inspect.signature(value.fget).return_annotation}")
        elif inspect.isfunction(value) and _is_hook(owner, value):
            yield _hook(owner, name, value, str(inspect.signature(value)))


def _is_hook(owner: type, value: object) -> bool:
    """A base that implements another one's hooks leaves only its abstract methods to the author."""
    return getattr(value, "__isabstractmethod__", False) or owner is not MultipartWriter


def _hook(owner: type, name: str, value: object, signature: str) -> Hook:
    text = inspect.getdoc(value) or ""
    found = FACTS.search(text)
    if found is None:
        raise LookupError(f"{owner.__name__}.{name} has to say in its docstring: {SAYS}")
    thread, raises, again = (" ".join(each.split()) for each in found.groups())
    required = getattr(value, "__isabstractmethod__", False)
    return Hook(name, _bare(signature), required, text[: found.start()].strip(), thread, raises, again)


def _bare(signature: str) -> str:
    """Without `self`, and without the quotes that annotations may have."""
    return re.sub(r"^\(self(, )?", "(", signature).replace("'", "").replace(f"{driver.__name__}.", "")
