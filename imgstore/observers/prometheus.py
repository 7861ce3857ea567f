"""Uploads, downloads and copies as metrics for Prometheus (extra `prometheus`), by the same names in every host:

    uploads = UploadService(stores, catalog=catalog, observers=[PrometheusObserver()])

Labels have few values: identifiers of enabled stores, statuses, codes of errors; never an image or a project. A chunk
costs two additions for each store. The reference service counts by this observer.
"""

from __future__ import annotations

from collections.abc import Sequence

from imgstore import errors
from imgstore.distribution import needs
from imgstore.transfers.observer import COPY, DOWNLOAD, UPLOAD, Observer, Outcome, Transfer

with needs("prometheus"):
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

UNKNOWN = "unknown"
LEFT_OUT = "left-out"
GOOD = {UPLOAD: "204", DOWNLOAD: "whole", COPY: "done"}
GIVEN_UP = {UPLOAD: "aborted", DOWNLOAD: "cut", COPY: "aborted"}
"""The status of a transfer that succeeded, and of one that its owner gave up, by its kind."""

_PLURALS = {UPLOAD: "uploads", DOWNLOAD: "downloads", COPY: "copies"}
_LONG = (0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200)


class PrometheusObserver(Observer):
    """Counts uploads, downloads and copies in `registry`, which takes one such observer. A transfer that names no store
    counts under UNKNOWN."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._ended = {
            kind: Counter(f"imgstore_{name}", f"{name.title()} that ended.", ["store", "status"], registry=registry)
            for kind, name in _PLURALS.items()
        }
        self._moving = {kind: _Moving(kind, registry) for kind in (UPLOAD, DOWNLOAD)}
        self._copies = Gauge("imgstore_copies_in_flight", "Copies that move bytes.", registry=registry)
        self._refusals = Counter(
            "imgstore_refusals", "Transfers refused or failed, by the code of the error.", ["kind", "reason"],
            registry=registry,
        )  # fmt: skip
        self._under_way: dict[Transfer, _UnderWay] = {}

    def began(self, transfer: Transfer) -> None:
        stores = transfer.stores or (UNKNOWN,)
        is_copy = transfer.kind == COPY
        self._under_way[transfer] = _Copy(self._copies) if is_copy else _Bytes(self._moving[transfer.kind], stores)

    def moved(self, transfer: Transfer, count: int) -> None:
        self._under_way[transfer].moved(count)

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        """A download counts for the store that it began with, wherever it ended."""
        self._under_way.pop(transfer).end(transfer.seconds)
        for store in transfer.stores:
            has_it = transfer.kind == DOWNLOAD or store in outcome.stores
            self._ended[transfer.kind].labels(store, GOOD[transfer.kind] if has_it else LEFT_OUT).inc()

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        under_way = self._under_way.pop(transfer)
        under_way.end(transfer.seconds)
        status = GIVEN_UP[transfer.kind]
        if isinstance(error, errors.ImgstoreError):
            self._refusals.labels(transfer.kind, error.code).inc()
        if isinstance(error, errors.ImgstoreError) and not (transfer.kind == DOWNLOAD and under_way.has_moved):
            status = str(error.status)
        for store in transfer.stores or (UNKNOWN,):
            self._ended[transfer.kind].labels(store, status).inc()


class _Moving:
    """The metrics of uploads, or of downloads, under way."""

    def __init__(self, kind: str, registry: CollectorRegistry) -> None:
        store, name = ["store"], f"imgstore_{kind}"
        self.bytes = Counter(f"{name}_bytes", "Bytes of image data that passed.", store, registry=registry)
        self.seconds = Histogram(
            f"{name}_seconds", f"How long {_PLURALS[kind]} took.", store, buckets=_LONG, registry=registry
        )
        self.count = Gauge(f"{name}s_in_flight", f"{_PLURALS[kind].title()} under way.", store, registry=registry)
        self.bytes_in_flight = Gauge(
            f"{name}_bytes_in_flight", f"Bytes that {_PLURALS[kind]} under way have moved.", store, registry=registry
        )


class _UnderWay:
    """One transfer under way."""

    has_moved = False

    def moved(self, count: int) -> None:
        """So many bytes more have passed."""
        self.has_moved = True

    def end(self, seconds: float) -> None:
        """It is not under way any more."""


class _Bytes(_UnderWay):
    """An upload or a download: it counts in each of its stores."""

    def __init__(self, metrics: _Moving, stores: Sequence[str]) -> None:
        self._total = 0
        self._bytes = [metrics.bytes.labels(store) for store in stores]
        self._bytes_in_flight = [metrics.bytes_in_flight.labels(store) for store in stores]
        self._count = [metrics.count.labels(store) for store in stores]
        self._seconds = [metrics.seconds.labels(store) for store in stores]
        for gauge in self._count:
            gauge.inc()

    def moved(self, count: int) -> None:
        self.has_moved = True
        self._total += count
        for counter, gauge in zip(self._bytes, self._bytes_in_flight, strict=True):
            counter.inc(count)
            gauge.inc(count)

    def end(self, seconds: float) -> None:
        for gauge in self._bytes_in_flight:
            gauge.dec(self._total)
        for gauge in self._count:
            gauge.dec()
        for histogram in self._seconds:
            histogram.observe(seconds)


class _Copy(_UnderWay):
    """A copy between stores, whose bytes are not counted."""

    def __init__(self, in_flight: Gauge) -> None:
        self._in_flight = in_flight
        in_flight.inc()

    def end(self, seconds: float) -> None:
        self._in_flight.dec()
