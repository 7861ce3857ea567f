"""From an attempt that the catalog granted to a session that is ready for its first byte; for uploads and for copies.

First what can be refused without touching a store (`reserve`), then what is opened there (`open_session`). Each step
registers its undo where it acquires something (law 3). The quota holds room for each copy (law 4).

What this module refuses to do: ask the catalog for an attempt, or run the undo; that is its callers'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.catalog import AttemptCatalog
from imgstore.digests import DEFAULT_WINDOW, Digests, supported
from imgstore.driver import refuse_too_large
from imgstore.fanout import DEFAULT_WINDOW as STORES_WINDOW
from imgstore.fanout import Fanout
from imgstore.model import Attempt
from imgstore.quota import Quota
from imgstore.seam import host_seam
from imgstore.session import SessionParts, UploadSession
from imgstore.store import Store, StoreSet
from imgstore.storewriter import HoldEnd, SessionWriter, StoreWriter, leave_out
from imgstore.taps import Tap, TapFactory
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
    unknown); `need_all`: whether one store that fails fails the whole; `expected_hash`: what the digest must be."""

    attempt: Attempt
    stores: Sequence[Store]
    catalog: AttemptCatalog
    settings: UploadSettings
    undo: Undo
    size: int | None = None
    need_all: bool = True
    expected_hash: str | None = None


def chosen(stores: StoreSet, identifiers: Sequence[str]) -> list[Store]:
    """The stores of these identifiers, the default one for none. Raises UnknownStore; InvalidRequest for one that is
    named twice."""
    found = [stores.resolve(identifier) for identifier in identifiers or [stores.default]]
    names = [store.identifier for store in found]
    for name in names:
        if names.count(name) > 1:
            raise errors.InvalidRequest(f"Store '{name}' is named twice.")
    return found


def reserve(plan: Plan, quota: Quota) -> list[HoldEnd]:
    """Holds quota for the copy in each store. Raises StoreReadOnly, ImageTooLarge, QuotaExceeded."""
    for store in plan.stores:
        store.refuse_if_read_only()
    refuse_too_large(plan.size, plan.settings.max_image_size)
    return [_held(plan, store, quota) for store in plan.stores]


def open_session(plan: Plan, holds: Sequence[HoldEnd], *, taps: Sequence[TapFactory] = ()) -> UploadSession:
    """Opens everything; `holds` are those of `reserve`. Raises StoreFull, StoreUnavailable, ObjectExists, and what a
    tap's factory raises."""
    writer = _writer(plan, _opened(plan, holds))
    settings = plan.settings
    digests = _digests(settings)
    plan.undo.push("the digests' threads", digests.close)
    parts = SessionParts(
        attempt=plan.attempt,
        catalog=plan.catalog,
        writer=writer,
        digests=digests,
        taps=_open_taps(plan, taps),
        undo=plan.undo,
        size=plan.size,
        max_image_size=settings.max_image_size,
        hash_algo=settings.hash_algo,
        checksum=settings.checksum,
        expected_hash=plan.expected_hash,
    )
    return UploadSession(parts)


def _held(plan: Plan, store: Store, quota: Quota) -> HoldEnd:
    with host_seam("reserving quota"):
        end = HoldEnd(quota.reserve(plan.attempt, store.identifier, plan.size))
    plan.undo.push(f"the hold on the quota of {plan.attempt.owner} for store {store.identifier}", end)
    return end


def _opened(plan: Plan, holds: Sequence[HoldEnd]) -> list[StoreWriter]:
    """A writer in each store; without `need_all` in those that open one, and at least in one."""
    opened: list[StoreWriter] = []
    failures: list[errors.StoreError] = []
    for store, hold in zip(plan.stores, holds, strict=True):
        try:
            opened.append(_store_writer(plan, store, hold))
        except errors.StoreError as error:
            if plan.need_all or len(failures) == len(plan.stores) - 1:
                raise
            failures.append(error)
            leave_out(store, hold, error)
    return opened


def _store_writer(plan: Plan, store: Store, hold: HoldEnd) -> StoreWriter:
    key = plan.attempt.key
    with store.blamed():
        location = store.location(key)
        writer = store.driver.open_writer(key, size=plan.size, limit=plan.settings.max_image_size)
    opened = StoreWriter(store, location, writer, hold)
    plan.undo.push(f"object {key} being written to store {store.identifier}", opened.abort)
    return opened


def _writer(plan: Plan, opened: Sequence[StoreWriter]) -> SessionWriter:
    """One store needs no thread."""
    if len(opened) == 1:
        return opened[0]
    settings = plan.settings
    fanout = Fanout(
        opened, need_all=plan.need_all, size=plan.size, limit=settings.max_image_size, window=settings.stores_window
    )
    plan.undo.push("the stores' threads", fanout.close)
    return fanout


def _digests(settings: UploadSettings) -> Digests:
    names = {settings.hash_algo} | ({"md5"} if settings.checksum else set())
    return Digests(sorted(names), window=settings.digest_window)


def _open_taps(plan: Plan, factories: Sequence[TapFactory]) -> list[Tap]:
    taps = []
    for factory in factories:
        tap = factory(plan.attempt, size=plan.size)
        if tap is not None:
            plan.undo.push("a tap", tap.close)
            taps.append(tap)
    return taps
