"""One proof: each law once, in order, within a time; then everything of it is removed, and that is the last law."""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import TellsFacts
from imgstore.driver.translate import storage_failures
from imgstore.proving import facts, laws
from imgstore.proving.ground import Broken, Ground, NotApplicable, eventually
from imgstore.undo import describe

PREFIX = "imgstore-prove-"
"""What the keys of a proof begin with: no image's do, whose keys begin with an identifier."""
SECONDS = 180.0

Law = Callable[[Ground], str]
LAWS: dict[str, Law] = {
    "objects are read back": laws.reads_back,
    "objects of several parts are read back": laws.reads_back_parts,
    "nothing is visible before the commit": laws.is_atomic,
    "sizes are exact": laws.is_exact,
    "an object is never replaced": laws.is_exclusive,
    "an aborted upload leaves nothing": laws.is_undone,
    "leftovers are cleared": laws.clears,
    "ranges are read": laws.reads_ranges,
    "reads are pinned to an object": laws.pins_reads,
    "a written object is listed": laws.lists_written,
    "a deleted object is gone": laws.forgets_deleted,
    "a deleted object is not listed": laws.unlists_deleted,
    "long keys are taken": facts.takes_long_keys,
    "copies inside the store": facts.copies,
    "the place is marked": facts.keeps_its_mark,
}
FACTS: dict[str, Law] = {
    "winners of a race for one key": laws.race,
    "uploads under way are listed": laws.lists_uploads,
    "space that is told": facts.tells_space,
    "clock of the storage": facts.tells_time,
    "largest object tried": facts.largest,
}
"""The same, but neither right nor wrong. Yet a race has a winner whose object is there."""
REMOVED = "everything was removed"
SERVER = "server: "


class Result(enum.Enum):
    """What became of a law."""

    HOLDS = "holds"
    BROKEN = "broken"
    FACT = "fact"
    NOT_APPLICABLE = "not applicable"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Outcome:
    """One row: the law or the fact, and what was found."""

    fact: str
    result: Result
    found: str

    @property
    def good(self) -> bool:
        """Whether the store may be used, as far as this goes."""
        return self.result not in (Result.BROKEN, Result.NOT_TRIED)


def prove(
    driver: StoreDriver, *, seconds: float = SECONDS, safe_point: Callable[[], object] = lambda: None
) -> list[Outcome]:
    """Every outcome. `safe_point` is called where nothing is half done, and may raise what ends the proof; then too,
    everything is removed. The driver was checked before."""
    ground = Ground(driver, f"{PREFIX}{secrets.token_hex(8)}-", safe_point=safe_point)
    end = time.monotonic() + seconds
    try:
        outcomes = [*_all(ground, end), *_of_server(driver)]
    finally:
        ground.clean()
    return [*outcomes, _tried(REMOVED, _all_removed, ground, Result.HOLDS)]


def _all(ground: Ground, end: float) -> Iterator[Outcome]:
    rows = [(Result.HOLDS, LAWS), (Result.FACT, FACTS)]
    for result, named in rows:
        for name, law in named.items():
            if time.monotonic() > end:
                yield Outcome(name, Result.NOT_TRIED, "the time is up")
            else:
                yield _tried(name, law, ground, result)


def _tried(name: str, law: Law, ground: Ground, result: Result) -> Outcome:
    try:
        found = _answer(law, ground)
    except errors.ImgstoreError as error:
        return Outcome(name, Result.BROKEN, describe(error))
    if isinstance(found, str):
        return Outcome(name, result, found)
    return Outcome(name, Result.BROKEN if isinstance(found, Broken) else Result.NOT_APPLICABLE, str(found))


def _answer(law: Law, ground: Ground) -> str | Broken | NotApplicable:
    """What the law returns or raises; a foreign exception of the driver's is one of the library's errors."""
    with storage_failures("proving the store"):
        try:
            return law(ground)
        except (Broken, NotApplicable) as verdict:
            return verdict


def _of_server(driver: StoreDriver) -> list[Outcome]:
    """What its check found out, by doing it too."""
    told = driver.facts() if isinstance(driver, TellsFacts) else {}
    return [Outcome(f"{SERVER}{name}", Result.FACT, found) for name, found in told.items()]


def _all_removed(ground: Ground) -> str:
    if not eventually(lambda: not ground.remains()):
        raise Broken(f"still there: {', '.join(ground.remains())}")
    return "no object of the proof is there"
