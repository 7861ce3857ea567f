"""What is under way, for an operator: `/status`, and `imgstore status`.

Each thing is an entry with the same fields, so that a table and JSON show the same. All is remembered: stores and
database as the last checks found them, attempts and removals as they were counted last, transfers as they move. So an
answer waits for nothing, whatever is busy (contained). It has projects and images, so it is for admins; no location,
and no error's detail, is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from imgstore import distribution, errors
from imgstore.adapters.wsgi import request_headers
from imgstore.hosting.first_cleaning import Look
from imgstore.http import MethodNotAllowed, error_response
from imgstore.service.auth.noauth import caller_of
from imgstore.service.counting import Counted, Counting
from imgstore.service.health import StoreHealth
from imgstore.service.server.lanes import Load
from imgstore.service.watch import Status
from imgstore.sql import Census, OpenAttempt
from imgstore.store import StoreSet
from imgstore.transfers.copy import ImageCopy
from imgstore.transfers.observer import COPY, UPLOAD, Observer, Outcome, Transfer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Entry = Mapping[str, object]
FIELDS = ("what", "name", "state", "project", "stores", "seconds", "bytes", "size", "rate", "process")
"""Of an entry. `seconds`: its age, or that of what is known of it; `rate` in bytes a second."""


class Progress(Observer):
    """The transfers under way in this process, and the bytes that each has moved."""

    def __init__(self) -> None:
        self._moved: dict[Transfer, int] = {}

    def began(self, transfer: Transfer) -> None:
        """See Observer."""
        self._moved[transfer] = 0

    def moved(self, transfer: Transfer, count: int) -> None:
        """See Observer."""
        self._moved[transfer] += count

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        """See Observer."""
        self._moved.pop(transfer, None)

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        """See Observer."""
        self._moved.pop(transfer, None)

    def under_way(self) -> Sequence[tuple[Transfer, int]]:
        """Each, and its bytes so far; the oldest first."""
        return list(self._moved.copy().items())


class StatusPage:
    """The WSGI application for PATH. `lanes` tells what each has to do, if a server tells; `looks`: into each store
    that was cleaned; `waiting`: copies that wait for a thread."""

    PATH = "/status"

    def __init__(
        self, stores: StoreSet, health: StoreHealth, counting: Counting, progress: Progress,
        *, lanes: Callable[[], Mapping[str, Load]], looks: Mapping[str, Look],
        waiting: Callable[[], Sequence[ImageCopy]],
    ) -> None:  # fmt: skip
        self._stores = stores
        self._health = health
        self._counting = counting
        self._progress = progress
        self._lanes = lanes
        self._looks = looks
        self._waiting = waiting

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            _refuse(environ)
        except errors.ImgstoreError as error:
            response = error_response(error, request_headers(environ))
            start_response(f"{response.status} {response.reason}", list(response.headers))
            return () if environ["REQUEST_METHOD"] == "HEAD" else response.body
        body = json.dumps({"version": distribution.version(), "entries": list(self.entries())}).encode()
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", "application/json"), length, ("Cache-Control", "no-store")])
        return (body,)

    def entries(self) -> Iterator[Entry]:
        """All that is known now. Never waits."""
        last = self._counting.last
        yield entry("service", distribution.version(), "up", process=str(os.getpid()))
        for part in self._health.parts():
            yield entry(part.name, state=_state(part), seconds=part.age)
        for found in self._health.statuses():
            yield _store(found, last)
        for store in self._stores:
            slots = store.bulkhead
            state = f"{slots.under_way} of {slots.max_transfers} under way, {slots.waiting} waiting"
            yield entry("transfers", store.identifier, state)
        for lane, load in self._lanes().items():
            yield entry("threads", lane, f"{load.busy} of {load.size} busy, {load.waiting} waiting")
        yield from self._transfers(last)
        for copy in self._waiting():
            yield _waiting(copy)
        for name, look in sorted(dict(self._looks).items()):
            yield entry("leftovers", name, f"{look.removed} removed, {look.left} left alone", seconds=look.age)
        if last is not None:
            yield from database_entries(last.census, seconds=last.age)

    def _transfers(self, last: Counted | None) -> Iterator[Entry]:
        owners = {} if last is None else {attempt.image_id: attempt.project for attempt in last.census.attempts}
        for transfer, moved in self._progress.under_way():
            seconds = transfer.seconds
            owner = owners.get(transfer.image_id) if transfer.kind in (UPLOAD, COPY) else None
            yield entry(
                transfer.kind, transfer.image_id, "moving", project=owner, stores=",".join(transfer.stores),
                seconds=seconds, bytes=moved, size=transfer.size, rate=round(moved / max(seconds, 0.001)),
            )  # fmt: skip


def database_entries(census: Census, *, seconds: float) -> Iterator[Entry]:
    """What the database knows, for whoever counted it `seconds` ago: attempts of all processes, and removals."""
    for attempt in census.attempts:
        yield _attempt(attempt, seconds)
    for store, waiting in sorted(census.removals.items()):
        yield entry("removals", store, f"{waiting} waiting", seconds=seconds)


def store_entries(census: Census, stores: Iterable[str]) -> Iterator[Entry]:
    """The stores as far as the database knows them."""
    for store in stores:
        yield entry("store", store, "not asked", bytes=census.used.get(store, 0))


def entry(what: str, name: str = "", state: str = "", **others: object) -> Entry:
    """One, with all fields; what is not given is None."""
    told = {key: round(value, 1) if isinstance(value, float) else value for key, value in others.items()}
    return {**dict.fromkeys(FIELDS), "what": what, "name": name, "state": state, **told}


def _store(found: Status, last: Counted | None) -> Entry:
    """`size` is its room: what it has and what is free."""
    used = None if last is None else last.census.used.get(found.name, 0)
    room = None if found.free is None else found.free + (used or 0)
    return entry("store", found.name, _state(found), seconds=found.age, bytes=used, size=room)


def _waiting(copy: ImageCopy) -> Entry:
    attempt = copy.attempt
    stores = ",".join(attempt.stores)
    return entry(COPY, attempt.image_id, "waiting", project=attempt.owner, stores=stores, bytes=0, size=copy.image.size)


def _state(found: Status) -> str:
    return "up" if found.up else f"down ({found.reason})"


def _attempt(found: OpenAttempt, seconds: float) -> Entry:
    left = found.lease - seconds
    state = f"lease for {left:.0f} s" if left >= 0 else f"lease ran out {-left:.0f} s ago"
    if found.lease >= 0 > left:
        state = "lease not known"  # it may have been renewed since
    what = f"attempt ({COPY if found.is_copy else UPLOAD})"
    stores = ",".join(found.stores)
    return entry(what, found.image_id, state, project=found.project, stores=stores, process=found.holder)


def _refuse(environ: WSGIEnvironment) -> None:
    if environ["REQUEST_METHOD"] != "GET":
        raise MethodNotAllowed("This path takes GET only.", allowed=("GET",))
    caller = caller_of(environ)
    if not (caller.is_admin or caller.permits is None):  # without Keystone a caller is whoever they say
        raise errors.Forbidden("Only an admin may see the status.")
