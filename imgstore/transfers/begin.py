"""From an attempt that the catalog granted to a session that is ready for its first byte; for uploads and for copies.

First what can be refused without touching a store (`reserve`), then a slot in each (`admit`), then what is opened there
(`open_session`). Each step registers its undo where it acquires something; the callers run it. The quota holds room for
each copy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from imgstore import errors
from imgstore.bulkhead import Slot
from imgstore.catalog import AttemptCatalog
from imgstore.driver.translate import OnFailure, host_failures
from imgstore.driver.writer import refuse_too_large
from imgstore.host_answers import answer_of, require, truth
from imgstore.model import Attempt
from imgstore.quota import Hold, Quota
from imgstore.store import Store, StoreSet
from imgstore.transfers.digests import DEFAULT_WINDOW, Digests, supported
from imgstore.transfers.expected import NOTHING_EXPECTED, Expected
from imgstore.transfers.fanout import DEFAULT_WINDOW as STORES_WINDOW
from imgstore.transfers.fanout import Fanout
from imgstore.transfers.observer import Observation, Part
from imgstore.transfers.session import SessionParts, UploadSession
from imgstore.transfers.slots import Taken, patience, take_all
from imgstore.transfers.taps import Tap, TapFactory
from imgstore.transfers.target import OneTarget, QuotaHold, Target, Targets, is_taken, leave_out, steps
from imgstore.undo import Undo

OFF, ALL, ANY = "off", "all", "any"
SEVERAL_STORES = (OFF, ALL, ANY)


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """`max_image_size` bytes (None: no limit); `hash_algo` of os_hash_value, as in hashlib; `checksum`: the md5 too;
    `several_stores`: whether an upload may go to several stores (not at all: OFF), and how many must take it (ALL; ANY:
    at least one); `digest_window` bytes that may wait for the digests, `stores_window` for the slowest of several
    stores. Raises UsageError for an algorithm that cannot be used, and for no such word."""

    max_image_size: int | None = None
    hash_algo: str = "sha512"
    checksum: bool = True
    several_stores: str = OFF
    digest_window: int = DEFAULT_WINDOW
    stores_window: int = STORES_WINDOW

    def __post_init__(self) -> None:
        if not supported(self.hash_algo):
            raise errors.UsageError(f"No digest of fixed length is called '{self.hash_algo}' in hashlib: use sha512.")
        if self.several_stores not in SEVERAL_STORES:
            raise errors.UsageError(f"several_stores is one of {', '.join(SEVERAL_STORES)}.")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written where, and by what it is held. `catalog` is told of the end; `size` in bytes (None:
    unknown); `need_all`: whether one store that fails fails the whole; `expected`: digests that the bytes must have;
    `opened`: every store that was written to."""

    attempt: Attempt
    stores: Sequence[Store]
    catalog: AttemptCatalog
    settings: UploadSettings
    undo: Undo
    size: int | None = None
    need_all: bool = True
    expected: Expected = NOTHING_EXPECTED
    opened: list[Target] = field(default_factory=list)


def chosen(stores: StoreSet, identifiers: Sequence[str]) -> list[Store]:
    """The stores of these identifiers, the default one for none. Raises UnknownStore; InvalidRequest for one that is
    named twice."""
    found = [stores.resolve(identifier) for identifier in identifiers or [stores.default]]
    names = [store.identifier for store in found]
    for name in names:
        if names.count(name) > 1:
            raise errors.InvalidRequest(f"Store '{name}' is named twice.")
    return found


@dataclass(frozen=True, slots=True)
class Reserved:
    """A store, and what is held on the quota for the copy there."""

    store: Store
    quota: QuotaHold


@dataclass(frozen=True, slots=True)
class Admitted:
    """The same, with a slot for the upload among the store's transfers."""

    store: Store
    quota: QuotaHold
    slot: Slot


def reserve(plan: Plan, quota: Quota) -> list[Reserved]:
    """Holds quota for the copy in each store; without `need_all` in those that have room, and at least in one.

    Raises StoreReadOnly, ImageTooLarge, QuotaExceeded, StoreFull."""
    for store in plan.stores:
        store.refuse_if_read_only()
    refuse_too_large(plan.size, plan.settings.max_image_size)
    rooms: list[Reserved] = []
    spare = _Spare(plan, len(plan.stores))
    for store in plan.stores:
        with spare.may_be_left_out(store):
            rooms.append(Reserved(store, _held(plan, store, quota)))
    return rooms


def admit(
    plan: Plan, reserved: Sequence[Reserved], *, sources: Sequence[Store] = ()
) -> tuple[list[Admitted], Taken | None]:
    """Takes a slot in each store; without `need_all` in those that have one, and at least in one. And one in any of the
    `sources`, if there are any. Raises StoreBusy."""
    wanted, spare = list(reserved), _Spare(plan, len(reserved))
    until = patience([*(each.store for each in reserved), *sources])
    taken: list[Taken] = []
    while not taken:
        try:
            taken = take_all([*([each.store] for each in wanted), *([sources] if sources else [])], until=until)
        except errors.StoreBusy as error:
            left = _without_busy(wanted, spare, error)
            if left == wanted:
                raise
            wanted = left
    for each in taken:
        plan.undo.push(f"the slot in store {each.store.identifier}", each.slot.free)
    admitted = [Admitted(each.store, each.quota, got.slot) for each, got in zip(wanted, taken, strict=False)]
    return admitted, taken[len(wanted)] if sources else None


def _without_busy(wanted: Sequence[Reserved], spare: _Spare, error: errors.StoreBusy) -> list[Reserved]:
    return [
        each
        for each in wanted
        if each.store.identifier != error.store or not spare.leaves_out(each.store, each.quota, error)
    ]


def open_session(
    plan: Plan, admitted: Sequence[Admitted], *, taps: Sequence[TapFactory] = (), observation: Observation | None = None
) -> UploadSession:
    """Opens everything; `admitted` is what `admit` returned. Raises StoreFull, StoreUnavailable, ObjectExists, and
    what a tap's factory raises."""
    if observation is not None:
        observation.steps = partial(steps, plan.opened)
    targets = _targets(plan, _opened(plan, admitted))
    for target in plan.opened:
        target.part.told = observation is not None
    settings = plan.settings
    digests = _digests(plan)
    plan.undo.push("the digests' threads", digests.close)
    parts = SessionParts(
        attempt=plan.attempt,
        catalog=plan.catalog,
        targets=targets,
        digests=digests,
        taps=_open_taps(plan, taps),
        undo=plan.undo,
        size=plan.size,
        max_image_size=settings.max_image_size,
        hash_algo=settings.hash_algo,
        checksum=settings.checksum,
        expected=plan.expected,
        observation=observation,
    )
    return UploadSession(parts)


def _held(plan: Plan, store: Store, quota: Quota) -> QuotaHold:
    with host_failures("reserving quota"):
        hold = answer_of(quota.reserve, plan.attempt, store.identifier, plan.size)
    held = QuotaHold(hold)
    if callable(getattr(hold, "release", None)):
        plan.undo.push(f"the hold on the quota of {plan.attempt.owner} for store {store.identifier}", held.end)
    require(hold, Hold, made_by=quota.reserve)
    return held


class _Spare:
    """How many of `count` stores may still fail: none where all are needed, else all but one."""

    def __init__(self, plan: Plan, count: int) -> None:
        self._left = 0 if plan.need_all else count - 1

    @contextlib.contextmanager
    def may_be_left_out(self, store: Store, quota: QuotaHold | None = None) -> Iterator[None]:
        """The store is left out if it raises StoreError here and one that may fail is left."""
        try:
            yield
        except errors.StoreError as error:
            if not self.leaves_out(store, quota, error):
                raise

    def leaves_out(self, store: Store, quota: QuotaHold | None, error: errors.StoreError) -> bool:
        """Whether the store is left out for this error."""
        if not self._left or is_taken(error):
            return False
        self._left -= 1
        leave_out(store, quota, error)
        return True


def _opened(plan: Plan, admitted: Sequence[Admitted]) -> list[Target]:
    """A target in each store; without `need_all` in those that open one, and at least in one."""
    opened: list[Target] = []
    spare = _Spare(plan, len(admitted))
    for each in admitted:
        with spare.may_be_left_out(each.store, each.quota), _freed_on_failure(each.slot):
            opened.append(_target(plan, each))
    return opened


def _freed_on_failure(slot: Slot) -> OnFailure:
    return OnFailure(lambda error: slot.free())


def _target(plan: Plan, admitted: Admitted) -> Target:
    store, key = admitted.store, plan.attempt.key
    location, part = store.location(key), Part(store.identifier)
    writer = store.open_writer(key, size=plan.size, limit=plan.settings.max_image_size)
    target = Target(store, location, writer, admitted.quota, admitted.slot, part)
    plan.opened.append(target)
    plan.undo.push(f"object {key} being written to store {store.identifier}", target.abort)
    return target


def release(catalog: AttemptCatalog, attempt: Attempt, opened: Sequence[Target]) -> None:
    """The last undo: the image is given back, and what could not be removed is recorded."""
    unremoved = [target.store.identifier for target in opened if target.stays]
    if unremoved:
        truth(catalog.release, attempt, unremoved)
    else:
        truth(catalog.release, attempt)


def _targets(plan: Plan, opened: Sequence[Target]) -> Targets:
    """One store needs no thread."""
    if len(opened) == 1:
        return OneTarget.of(opened[0])
    fanout = Fanout(opened, need_all=plan.need_all, window=plan.settings.stores_window)
    plan.undo.push("the stores' threads", fanout.close)
    return fanout


def _digests(plan: Plan) -> Digests:
    """Those of the settings, and of the expected ones whatever is not among them."""
    settings = plan.settings
    names = {settings.hash_algo, *plan.expected.digests} | ({"md5"} if settings.checksum else set())
    return Digests(sorted(names), window=settings.digest_window)


def _open_taps(plan: Plan, factories: Sequence[TapFactory]) -> list[Tap]:
    taps = []
    for factory in factories:
        tap = answer_of(factory, plan.attempt, size=plan.size)
        if tap is not None:
            if callable(getattr(tap, "close", None)):
                plan.undo.push("a tap", partial(answer_of, tap.close))
            require(tap, Tap, made_by=factory)
            taps.append(tap)
    return taps
