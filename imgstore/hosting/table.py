"""A whole catalog from three methods on a host's table, for a host that would rather not write the compare-and-sets.

The host's table of images has the columns of `ImageRow`, and as many others as the host wants. `ImageTable` reads one
row, lists those that are unfinished, and changes one row if nobody else did: `version` tells. So each step of an
upload, of recovery and of a removal is one UPDATE statement. No transaction and no second table is needed.

    class Table:
        def get(self, image_id): ...        # SELECT ... WHERE id = ?
        def unfinished(self): ...           # SELECT ... WHERE unfinished
        def swap(self, row, values): ...    # UPDATE ... SET ... WHERE id = ? AND version = ?

`TableCatalog` makes every decision: what may begin, who owns an image, what is to be removed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from imgstore import errors
from imgstore.catalog import copy_gone, image_gone, no_such_image, require_copyable, require_formats, require_queued
from imgstore.host_answers import answer_of, kind_of, require, require_plain, truth, wrong_answer
from imgstore.hosting.rows import COLUMNS, ImageRow, ImageTable, State, attempt_on, standing_of, state_of, values_of
from imgstore.model import (
    Attempt,
    DeadAttempt,
    Location,
    Removal,
    Standing,
    StoredImage,
    UploadRequest,
    UploadResult,
    attempt_of,
)

Decide: TypeAlias = "Callable[[State], State | None]"
Begin: TypeAlias = Callable[[ImageRow, State], State]

LOG = logging.getLogger(__name__)

LEASE = 60.0
TRIES = 100
KINDS: Mapping[str, type] = {"id": str, "owner": str, "version": int}
"""The columns of a row without which no step is right."""


def owns(context: object, row: ImageRow) -> bool:
    """Callers see the images that they own; `context` is the owner's name."""
    return context == row.owner


class TableCatalog:
    """Uploads, downloads, copies, recovery and deletions on one table (`HostCopyCatalog`, `EndsUploads`).

    `lease`: seconds for which an attempt owns its image without a sign of life, the same in all processes. `sees`:
    whether the `context` of a request may see an image. `clock`: seconds since the epoch; the database's, if the clocks
    of several machines differ by more than a part of the lease.
    """

    def __init__(
        self, table: ImageTable, *, lease: float = LEASE, sees: Callable[[object, ImageRow], bool] = owns,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        require(table, ImageTable)
        require_plain(sees, name="sees")
        self.lease = lease
        self._table = table
        self._sees = sees
        self._clock = clock

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return state_of(self._visible(image_id, context)).as_stored(image_id)

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        def decide(row: ImageRow, state: State) -> State:
            require_formats(row.disk_format, row.container_format)
            require_queued(row.id, row.status)
            return replace(state, status="saving")

        return self._granted(request.image_id, request.context, stores, decide)[0]

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        def decide(state: State) -> State | None:
            if state.status != "saving" or not state.is_of(attempt):
                return None
            digests = replace(state, checksum=result.checksum, hash_algo=result.hash_algo, hash_value=result.hash_value)
            return replace(digests, status="active", size=result.size)

        if not self._located(attempt, result.locations, decide):
            raise image_gone(attempt.image_id)

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        def decide(row: ImageRow, state: State) -> State:
            require_copyable(state.as_stored(row.id), stores, busy=state.lease_until is not None)
            return state

        attempt, state = self._granted(image_id, context, stores, decide)
        return attempt, state.as_stored(image_id)

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        def decide(state: State) -> State | None:
            return state if state.status == "active" and state.is_of(attempt) else None

        if not self._located(attempt, locations, decide):
            raise copy_gone(attempt.image_id)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """Asks the table only where it must be certain: `LeasedCatalog` learns the rest from the renewals."""
        row = self._row(attempt.image_id) if certain else None
        if certain and (row is None or not state_of(row).is_owned_by(attempt)):
            raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return self._ended(attempt, unremoved, lambda state: True)

    def delete(self, image_id: str, context: object = None) -> None:
        """Marks an image as deleted, and its objects as to be removed: the keeper removes them. An upload of it under
        way finds out and undoes itself. Raises ImageNotFound."""
        self._visible(image_id, context)

        def decide(state: State) -> State | None:
            objects = [(location.store, location.key, False) for location in state.locations]
            deleted = replace(state, status="deleted", locations=(), to_remove=[*state.to_remove, *objects])
            return None if state.status == "deleted" else deleted

        if not self._change(image_id, decide):
            raise no_such_image(image_id)

    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        """See HostCatalog. A row that cannot be changed costs the leases of the others nothing."""
        lost, failures = list[Attempt](), list[Exception]()
        for attempt in attempts:
            try:
                if not self._renewed(attempt):
                    lost.append(attempt)
            except Exception as error:  # noqa: BLE001 - of the host's, of any class: it is raised when all were tried
                failures.append(error)
        if failures and not lost:
            raise failures[0]
        return lost

    def expired(self) -> Sequence[DeadAttempt]:
        now = self._clock()
        over = [(row, state) for row, state in self._unfinished() if state.is_over(now)]
        return [
            DeadAttempt(attempt_on(row, state.attempts, state.stores), overdue=now - (state.lease_until or now))
            for row, state in over
        ]

    def take_back(self, dead: DeadAttempt) -> bool:
        return self._ended(dead.attempt, dead.attempt.stores, lambda state: state.is_over(self._clock()))

    def abandon_uploads(self) -> int:
        """See EndsUploads."""
        rows = [(row, state) for row, state in self._unfinished() if state.lease_until is not None]
        found = [attempt_on(row, state.attempts, state.stores) for row, state in rows]
        return sum(self._ended(attempt, attempt.stores, lambda state: True) for attempt in found)

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        one = None if image_id is None else self._row(image_id)
        rows = self._unfinished() if image_id is None else [] if one is None else [(one, state_of(one))]
        return [Removal(None, row.id, *each) for row, state in rows for each in state.to_remove]

    def removed(self, removal: Removal) -> None:
        def decide(state: State) -> State:
            left = [each for each in state.to_remove if each[:2] != (removal.store, removal.key)]
            return replace(state, to_remove=left)

        self._change(removal.image_id, decide)

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        rows = {key: self._row(attempt_of(key)[0]) for key in keys}
        return {key: _standing(row, store, key) for key, row in rows.items()}

    def _visible(self, image_id: str, context: object) -> ImageRow:
        row = self._row(image_id)
        if row is None or row.status == "deleted" or not self._sees(context, row):
            raise no_such_image(image_id)
        return row

    def _granted(self, image_id: str, context: object, stores: Sequence[str], decide: Begin) -> tuple[Attempt, State]:
        """The next attempt, and the state that it begins with. `decide` raises what refuses it."""
        for _ in range(TRIES):
            row = self._visible(image_id, context)
            state = decide(row, state_of(row))
            attempt, until = attempt_on(row, state.attempts + 1, stores), self._clock() + self.lease
            state = replace(state, attempts=attempt.number, stores=attempt.stores, lease_until=until)
            if self._swap(row, state):
                return attempt, state
        raise _too_busy(image_id)

    def _renewed(self, attempt: Attempt) -> bool:
        def decide(state: State) -> State | None:
            return replace(state, lease_until=self._clock() + self.lease) if state.is_owned_by(attempt) else None

        return self._change(attempt.image_id, decide)

    def _located(self, attempt: Attempt, locations: Sequence[Location], decide: Decide) -> bool:
        """Ends an attempt that succeeded. A store of it that was left out may keep something."""
        reached = {location.store for location in locations}
        left_out = [(store, attempt.key, True) for store in attempt.stores if store not in reached]

        def located(before: State) -> State | None:
            state, everything = decide(before), [*before.locations, *locations]
            to_remove = [*before.to_remove, *left_out]
            return state and replace(state.without_attempt(), locations=everything, to_remove=to_remove)

        return self._change(attempt.image_id, located)

    def _ended(self, attempt: Attempt, stores: Sequence[str], condition: Callable[[State], bool]) -> bool:
        """Ends an attempt that did not succeed, if the condition holds; it may have left something in `stores`."""
        objects = [(store, attempt.key, True) for store in stores]

        def decide(state: State) -> State | None:
            if not state.is_of(attempt) or not condition(state):
                return None
            status = "queued" if state.status == "saving" else state.status
            return replace(state.without_attempt(), status=status, to_remove=[*state.to_remove, *objects])

        return self._change(attempt.image_id, decide)

    def _change(self, image_id: str, decide: Decide) -> bool:
        """Changes the row as `decide` says: it sees the state that is changed, and no other. False if it says None."""
        for _ in range(TRIES):
            row = self._row(image_id)
            state = None if row is None else decide(state_of(row))
            if row is None or state is None:
                return False
            if self._swap(row, state):
                return True
        raise _too_busy(image_id)

    def _row(self, image_id: str) -> ImageRow | None:
        row = answer_of(self._table.get, image_id)
        if row is not None and (missing := [name for name in COLUMNS if not hasattr(row, name)]):
            raise wrong_answer(self._table.get, row, f"must return a row or None; it has no {missing[0]}")
        for name, kind in KINDS.items() if row is not None else ():
            if not isinstance(value := getattr(row, name), kind):
                raise wrong_answer(
                    self._table.get, row, f"has {kind_of(value)} as {name}: it must be of the class {kind.__name__}"
                )
        return row

    def _unfinished(self) -> Iterator[tuple[ImageRow, State]]:
        """Each with what it says. One that cannot be read holds up no other (contained)."""
        for row in answer_of(self._table.unfinished):
            try:
                state = state_of(row)
            except errors.UsageError as error:
                LOG.error("The upload of an image is not ended, and nothing of it is removed. %s", error)
            else:
                yield row, state

    def _swap(self, row: ImageRow, state: State) -> bool:
        return truth(self._table.swap, row, values_of(state, version=row.version + 1))


def _standing(row: ImageRow | None, store: str, key: str) -> Standing:
    """What cannot be read stays."""
    try:
        return standing_of(None if row is None else state_of(row), store, key)
    except errors.UsageError:
        return Standing.UNDER_WAY


def _too_busy(image_id: str) -> errors.CatalogUnavailable:
    return errors.CatalogUnavailable(f"Image {image_id} is being changed too often: try again.")
