"""Uploads, downloads and copies as spans of OpenTelemetry (extra `otel`, which needs the API alone):

    uploads = UploadService(stores, catalog=catalog, observers=[OpenTelemetryObserver()])

`imgstore.upload`, `imgstore.download` or `imgstore.copy` is a child of the span that is current where the transfer
begins, mostly that of the host's request. Its own children are `imgstore.store`, one for each store that was opened,
and `imgstore.commit`. The attributes are those of NAMES; an error is told by its code. No name of a project, no key, no
URL and no text of an error is told. Without an SDK nothing is recorded, and a chunk costs one look into a dictionary.
"""

from __future__ import annotations

import time

from imgstore.distribution import needs, version
from imgstore.errors import ImgstoreError
from imgstore.transfers.observer import Observer, Outcome, Step, Transfer

with needs("otel"):
    from opentelemetry import trace
    from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

IMAGE, STORES, STORE, SIZE, BYTES, OUTCOME, ERROR = NAMES = (
    "imgstore.image.id", "imgstore.stores", "imgstore.store", "imgstore.size", "imgstore.bytes", "imgstore.outcome",
    "error.type",
)  # fmt: skip
"""Identifier of the image; stores that were asked for; the store of a span; bytes that were declared, and that passed;
DONE, FAILED or GIVEN_UP; the code of the error."""
DONE, FAILED, GIVEN_UP = "done", "failed", "given-up"


class OpenTelemetryObserver(Observer):
    """Makes spans. `provider`: None for the one that the process has set."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("imgstore", version(), provider)
        self._under_way: dict[Transfer, _Traced] = {}

    def began(self, transfer: Transfer) -> None:
        start = _wall_clock(transfer.began)
        span = self._tracer.start_span(f"imgstore.{transfer.kind}", start_time=start)
        if not span.is_recording():
            return
        span.set_attribute(IMAGE, transfer.image_id)
        span.set_attribute(STORES, list(transfer.stores))
        if transfer.size is not None:
            span.set_attribute(SIZE, transfer.size)
        self._under_way[transfer] = _Traced(span)

    def moved(self, transfer: Transfer, count: int) -> None:
        traced = self._under_way.get(transfer)
        if traced is not None:
            traced.bytes += count

    def stepped(self, transfer: Transfer, step: Step) -> None:
        traced = self._under_way.get(transfer)
        if traced is None:
            return
        parent = trace.set_span_in_context(traced.span)
        span = self._tracer.start_span(f"imgstore.{step.name}", parent, start_time=_wall_clock(step.began))
        if step.store is not None:
            span.set_attribute(STORE, step.store)
        span.set_attribute(BYTES, step.size)
        _end(span, done=step.done, error=step.error, at=_wall_clock(step.ended))

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        self._end(transfer, done=True)

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        self._end(transfer, done=False, error=error)

    def _end(self, transfer: Transfer, *, done: bool, error: BaseException | None = None) -> None:
        traced = self._under_way.pop(transfer, None)
        if traced is not None:
            traced.span.set_attribute(BYTES, traced.bytes)
            _end(traced.span, done=done, error=error)


class _Traced:
    """The span of a transfer under way, and the bytes that have passed."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.bytes = 0


def _end(span: Span, *, done: bool, error: BaseException | None, at: int | None = None) -> None:
    if isinstance(error, ImgstoreError):
        span.set_attribute(ERROR, error.code)
        span.set_status(Status(StatusCode.ERROR, error.code))
    span.set_attribute(OUTCOME, DONE if done else GIVEN_UP if error is None else FAILED)
    span.end(at)


def _wall_clock(monotonic: float) -> int:
    """A time of the monotonic clock in nanoseconds since the epoch."""
    return time.time_ns() - int((time.monotonic() - monotonic) * 1e9)
