"""What Prometheus is told: requests, uploads and downloads by store and outcome, bytes as they pass, health of stores.

Uploads and downloads are counted by services that stand before the library's own and have their interface, so that the
core knows nothing of it. Labels have few values: identifiers of enabled stores, statuses, methods; never an image or a
project. A chunk costs one or two additions.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imgstore import errors
from imgstore.catalog import ImageCatalog, ImageSource
from imgstore.model import Chunk, StoredImage, UploadRequest, UploadResult
from imgstore.quota import Quota
from imgstore.service.health import StoreHealth
from imgstore.store import StoreSet
from imgstore.transfers.download import Download, DownloadService
from imgstore.transfers.session import UploadSession
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadService, UploadSettings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNKNOWN = "unknown"
WHOLE, CUT, ABORTED, LEFT_OUT = "whole", "cut", "aborted", "left-out"

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
_SHORT = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)
_LONG = (0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200)


class Metrics:
    """The metrics of one service."""

    def __init__(self, health: StoreHealth) -> None:
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        registry.register(_Health(health))
        self._requests = Counter(
            "imgstore_http_requests", "Requests answered.", ["method", "resource", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "imgstore_http_request_seconds", "From the request's headers to the end of its answer.", ["resource"],
            buckets=_SHORT, registry=registry,
        )  # fmt: skip
        self.uploads = _Transfers("upload", registry)
        self.downloads = _Transfers("download", registry)
        self.copies = CopyMetrics(registry)

    def request(self, method: str, resource: str, status: str, seconds: float) -> None:
        """A request was answered. `resource` is one of few words."""
        self._requests.labels(method if method in _METHODS else "other", resource, status).inc()
        self._request_seconds.labels(resource).observe(seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Transfers:
    """The metrics of one direction."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        prefix, store = f"imgstore_{name}", ["store"]
        self.ended = Counter(f"{prefix}s", f"{name.title()}s that ended.", ["store", "status"], registry=registry)
        self.bytes = Counter(f"{prefix}_bytes", "Bytes of image data that passed.", store, registry=registry)
        self.seconds = Histogram(
            f"{prefix}_seconds", f"How long an {name} took." if name == "upload" else f"How long a {name} took.",
            store, buckets=_LONG, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(f"{prefix}s_in_flight", f"{name.title()}s under way.", store, registry=registry)
        self.bytes_in_flight = Gauge(
            f"{prefix}_bytes_in_flight", f"Bytes that {name}s under way have moved.", store, registry=registry
        )


class _Transfer:
    """One upload or download under way."""

    def __init__(self, transfers: _Transfers, store: str) -> None:
        self._transfers = transfers
        self._store = store
        self._began = time.monotonic()
        self._moved = 0
        self._bytes = transfers.bytes.labels(store)
        self._bytes_in_flight = transfers.bytes_in_flight.labels(store)
        self._ended = False
        transfers.in_flight.labels(store).inc()

    def moved(self, count: int) -> None:
        self._moved += count
        self._bytes.inc(count)
        self._bytes_in_flight.inc(count)

    def end(self, status: str) -> None:
        """How it ended; the first call counts."""
        if self._ended:
            return
        self._ended = True
        self._bytes_in_flight.dec(self._moved)
        self._transfers.in_flight.labels(self._store).dec()
        self._transfers.ended.labels(self._store, status).inc()
        self._transfers.seconds.labels(self._store).observe(time.monotonic() - self._began)


class CopyMetrics:
    """The metrics of copies to other stores."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "imgstore_copies", "Copies of images that ended, by the store that they went to.", ["store", "status"],
            registry=registry,
        )  # fmt: skip
        self._in_flight = Gauge("imgstore_copies_in_flight", "Copies of images under way.", registry=registry)

    def ended(self, stores: Iterable[str], status: str) -> None:
        """How a copy ended in these stores."""
        for store in stores:
            self._ended.labels(store, status).inc()

    def under_way(self) -> AbstractContextManager[object]:
        """Around a copy."""
        return self._in_flight.track_inprogress()


class _Uploads:
    """One upload, to one store or to several: each counts for itself."""

    def __init__(self, transfers: _Transfers, stores: Sequence[str]) -> None:
        self._by_store = {store: _Transfer(transfers, store) for store in stores}

    def moved(self, count: int) -> None:
        for transfer in self._by_store.values():
            transfer.moved(count)

    def end(self, status: str) -> None:
        for transfer in self._by_store.values():
            transfer.end(status)

    def end_well(self, result: UploadResult) -> None:
        """The stores that have the image, and those that were left out."""
        for location in result.locations:
            self._by_store[location.store].end("204")
        self.end(LEFT_OUT)


class CountedUploads(UploadService):
    """Uploads, counted."""

    def __init__(
        self, stores: StoreSet, *, metrics: Metrics, catalog: ImageCatalog, quota: Quota,
        settings: UploadSettings | None = None, taps: Sequence[TapFactory] = (),
    ) -> None:  # fmt: skip
        super().__init__(stores, catalog=catalog, quota=quota, settings=settings, taps=taps)
        self._metrics = metrics

    def begin(self, request: UploadRequest) -> UploadSession:
        """See UploadService."""
        transfer = _Uploads(self._metrics.uploads, self._labels(request.stores))
        try:
            return _CountedSession(super().begin(request), transfer)
        except errors.ImgstoreError as error:
            transfer.end(str(error.status))
            raise
        except BaseException:
            transfer.end(ABORTED)
            raise

    def _labels(self, identifiers: Sequence[str]) -> list[str]:
        try:
            return [store.identifier for store in self.check_stores(identifiers)]
        except (errors.UnknownStore, errors.InvalidRequest):
            return [UNKNOWN]


class _CountedSession(UploadSession):
    """A session on the parts of another one that has not begun, which it replaces."""

    def __init__(self, session: UploadSession, transfer: _Uploads) -> None:
        super().__init__(session._parts)
        self._transfer = transfer
        self._outcome_is_known = False

    def write(self, chunk: Chunk) -> None:
        """See UploadSession."""
        before = self.total
        with self._outcome():
            super().write(chunk)
        self._transfer.moved(self.total - before)

    def finish(self) -> UploadResult:
        """See UploadSession."""
        with self._outcome():
            result = super().finish()
        self._transfer.end_well(result)
        return result

    def abort(self) -> None:
        """See UploadSession. Whoever aborts from outside knows why; here it is one outcome."""
        try:
            super().abort()
        finally:
            if not self._outcome_is_known:
                self._transfer.end(ABORTED)

    @contextlib.contextmanager
    def _outcome(self) -> Iterator[None]:
        """A step of the core, which aborts by itself where it fails: the failure is the outcome."""
        self._outcome_is_known = True
        try:
            yield
        except errors.ImgstoreError as error:
            self._transfer.end(str(error.status))
            raise
        finally:
            self._outcome_is_known = False


class CountedDownloads(DownloadService):
    """Downloads, counted; HEAD is none."""

    def __init__(self, stores: StoreSet, *, metrics: Metrics, source: ImageSource) -> None:
        super().__init__(stores, source=source)
        self._metrics = metrics

    def open(
        self, image: StoredImage, *, start: int = 0, stop: int | None = None, prefer: Sequence[str] = (),
        context: object = None,
    ) -> Download:  # fmt: skip
        """See DownloadService."""
        try:
            download = super().open(image, start=start, stop=stop, prefer=prefer, context=context)
        except errors.ImgstoreError as error:
            self._metrics.downloads.ended.labels(UNKNOWN, str(error.status)).inc()
            raise
        if stop is not None and start == stop:
            return download
        return _CountedDownload(download, _Transfer(self._metrics.downloads, download.location.store))


class _CountedDownload(Download):
    """A download of the core, counted: everything is passed on to it."""

    def __init__(self, download: Download, transfer: _Transfer) -> None:
        self.image = download.image
        self.start = download.start
        self.stop = download.stop
        self._download = download
        self._transfer = transfer

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._download:
            yield chunk
            self._transfer.moved(len(chunk))
        self._transfer.end(WHOLE)

    def close(self) -> None:
        """See Download."""
        try:
            self._download.close()
        finally:
            self._transfer.end(CUT)


class _Health(Collector):
    """The stores' health, read when Prometheus asks."""

    def __init__(self, health: StoreHealth) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        up = GaugeMetricFamily("imgstore_store_up", "Whether the store works.", labels=["store"])
        free = GaugeMetricFamily("imgstore_store_free_bytes", "Room in the store.", labels=["store"])
        took = GaugeMetricFamily("imgstore_store_check_seconds", "How long the last check took.", labels=["store"])
        for finding in self._health.findings():
            up.add_metric([finding.store], float(finding.up))
            took.add_metric([finding.store], finding.took)
            if finding.free is not None:
                free.add_metric([finding.store], finding.free)
        return [up, free, took]
