"""The service's metrics for Prometheus: requests, and what its observer counts (`imgstore.observers.prometheus`).

Labels have few values: resources, statuses, methods; never an image or a project.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from imgstore.observers.prometheus import PrometheusObserver

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
_SHORT = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)


class Metrics:
    """The metrics of one service, for all its threads. Give `observer` to whatever moves images. `collectors` are read
    when Prometheus asks (`imgstore.service.collectors`)."""

    def __init__(self, collectors: Sequence[Collector] = ()) -> None:
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        for read in collectors:
            registry.register(read)
        self._requests = Counter(
            "imgstore_http_requests", "Requests answered.", ["method", "resource", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "imgstore_http_request_seconds", "From the request's headers to the end of its answer.", ["resource"],
            buckets=_SHORT, registry=registry,
        )  # fmt: skip
        self.observer = PrometheusObserver(registry)

    def request(self, method: str, resource: str, status: str, seconds: float) -> None:
        """Counts one answer. `resource` is one of few words."""
        self._requests.labels(method if method in _METHODS else "other", resource, status).inc()
        self._request_seconds.labels(resource).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
