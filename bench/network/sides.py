"""Who does what between a source in memory and a server; and what imgstore does of it, the same on every server.

All are as they are by default, a driver's options too, unless the side is there to compare them. What they do of
digests differs, and is said in their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bench.network.source import Source
from bench.sides import IMAGE, Run, our_session

if TYPE_CHECKING:
    from imgstore.driver import StoreDriver

UP, DOWN, UNKNOWN = "upload", "download", "unknown"
BOTH, ONE_BODY = "md5+sha512", "one-body"


@dataclass(frozen=True)
class AnyAccess:
    """A server and the right to use it: all that a child is told of them, in fields that JSON knows."""


A = TypeVar("A", bound=AnyAccess)


@dataclass(frozen=True)
class Side:
    """Who does what. `extra` tells apart what one of them can do in several ways."""

    who: str
    action: str
    extra: str = ""

    @property
    def name(self) -> str:
        """How tables and options name the side."""
        return ":".join(filter(None, (self.action, self.who, self.extra)))


def named(*sides: Side) -> dict[str, Side]:
    """Sides by name, in this order."""
    return {side.name: side for side in sides}


def our_run(
    side: Side, size: int, make: Callable[..., StoreDriver], *, compared: Sequence[str], keeps: bool = True
) -> Run:
    """What imgstore does as `side` with the driver of `make`. `compared`: the digests that others find as well;
    `keeps`: the server gives back what is written."""
    driver = make(read_concurrency=1) if side.extra == ONE_BODY else make()
    _check(driver, keeps=keeps)
    if side.action == DOWN:
        return _read(driver, size)
    if side.extra == BOTH:
        return _digested(driver, Source(size), compared)
    return _written(driver, Source(size), known=UNKNOWN not in (side.action, side.extra))


def all_there(found: int, size: int) -> dict[str, str]:
    """No digests, which are not looked at where only bytes are counted. Raises ValueError if some are missing."""
    if found != size:
        raise ValueError(f"{found} bytes of {size} came.")
    return {}


def _check(driver: StoreDriver, *, keeps: bool) -> None:
    """As every host does at its start, and the first time with the mark. A sink fails both, and containers, connections
    and models are there then all the same."""
    from imgstore import errors
    from imgstore.driver.capabilities import HasPlace
    from imgstore.driver.place import new_mark

    steps: list[Callable[[], object]] = [driver.check]
    if isinstance(driver, HasPlace):
        steps.insert(0, partial(driver.write_mark, new_mark()))
    for step in steps:
        try:
            step()
        except (errors.IntegrityError, errors.WrongPlace):
            if keeps:
                raise


def _written(driver: StoreDriver, source: Source, *, known: bool) -> Run:
    def run() -> dict[str, str]:
        with driver.open_writer(IMAGE, size=source.size if known else None) as writer:
            for chunk in source.chunks():
                writer.write(chunk)
            writer.commit()
        return {}

    return run


def _digested(driver: StoreDriver, source: Source, compared: Sequence[str]) -> Run:
    upload = our_session(driver, source.chunks(), size=source.size, algorithms=("md5", "sha512"))

    def run() -> dict[str, str]:
        digests = upload()
        return {name: digests[name] for name in compared}

    return run


def _read(driver: StoreDriver, size: int) -> Run:
    def run() -> dict[str, str]:
        with driver.open_reader(IMAGE) as reader:
            return all_there(sum(map(len, reader)), size)

    return run
