"""What Prometheus is told of the service itself. It is read when Prometheus asks, and only from what is remembered: no
store and no database is asked then (contained).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imgstore import distribution
from imgstore.service.counting import Counting
from imgstore.service.health import StoreHealth
from imgstore.service.server.lanes import Load
from imgstore.store import StoreSet
from imgstore.supervised import Supervised


class Scrubs(Collector):
    """How long ago the oldest reading of a store's data may have been."""

    def __init__(self, scrubbed: Callable[[], Mapping[str, int]]) -> None:
        self._scrubbed = scrubbed

    def collect(self) -> Iterable[Metric]:
        text = "Seconds since the beginning of the last complete scrub: all data was read since."
        age = GaugeMetricFamily("imgstore_oldest_verification_seconds", text, labels=["store"])
        for store, began in self._scrubbed().items():
            age.add_metric([store], max(0.0, time.time() - began))
        yield age


class Health(Collector):
    """The stores' health, read when Prometheus asks."""

    def __init__(self, health: StoreHealth) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("imgstore_store_up", "Whether the store works.", labels=["store"])
        free = GaugeMetricFamily("imgstore_store_free_bytes", "Free space of the store.", labels=["store"])
        took = GaugeMetricFamily("imgstore_store_check_seconds", "How long the last check took.", labels=["store"])
        for found in self._health.statuses():
            up.add_metric([found.name], float(found.up))
            took.add_metric([found.name], found.took)
            if found.free is not None:
                free.add_metric([found.name], found.free)
        yield from (up, free, took)
        for part in self._health.parts():
            yield GaugeMetricFamily(f"imgstore_{part.name}_up", f"Whether the {part.name} works.", value=part.up)


class Slots(Collector):
    """The transfers of each store, as its bulkhead counts them."""

    def __init__(self, stores: StoreSet) -> None:
        self._stores = stores

    def collect(self) -> Iterable[Metric]:
        taken = GaugeMetricFamily("imgstore_store_transfers", "Transfers of the store under way.", labels=["store"])
        most = GaugeMetricFamily("imgstore_store_transfers_limit", "As many as there may be.", labels=["store"])
        waiting = GaugeMetricFamily("imgstore_store_transfers_waiting", "Those that wait.", labels=["store"])
        for store in self._stores:
            taken.add_metric([store.identifier], store.bulkhead.under_way)
            most.add_metric([store.identifier], store.bulkhead.max_transfers)
            waiting.add_metric([store.identifier], store.bulkhead.waiting)
        return [taken, most, waiting]


class Loops(Collector):
    """The service's own threads, those of `health` too, read when Prometheus asks."""

    def __init__(self, health: StoreHealth, loops: Sequence[Supervised]) -> None:
        self._health = health
        self._loops = loops

    def collect(self) -> Iterable[Metric]:
        failing = GaugeMetricFamily("imgstore_thread_failing", "Whether its last round failed.", labels=["thread"])
        failures = CounterMetricFamily("imgstore_thread_failures", "Rounds that failed.", labels=["thread"])
        for loop in (*self._loops, *self._health.supervised):
            failing.add_metric([loop.name], float(bool(loop.failing)))
            failures.add_metric([loop.name], loop.failures)
        return [failing, failures]


class Database(Collector):
    """What the last count of the database found; nothing before the first one."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def collect(self) -> Iterable[Metric]:
        used = GaugeMetricFamily("imgstore_store_bytes", "Bytes of images in the store.", labels=["store"])
        waiting = GaugeMetricFamily("imgstore_removals_waiting", "Objects still to be removed.", labels=["store"])
        expired = GaugeMetricFamily("imgstore_leases_expired", "Attempts whose leases ran out.")
        age = GaugeMetricFamily("imgstore_database_count_age_seconds", "Since the database was counted last.")
        last = self._counting.last
        if last is not None:
            expired.add_metric([], sum(attempt.lease < 0 for attempt in last.census.attempts))
            age.add_metric([], last.age)
            for store in self._counting.stores:
                used.add_metric([store], last.census.used.get(store, 0))
                waiting.add_metric([store], last.census.removals.get(store, 0))
        return [used, waiting, expired, age]


class Process(Collector):
    """The process: its release, its threads, and what it did for uploads of others. `lanes` tells once there is a
    server."""

    def __init__(self, *, lease_failures: Callable[[], int], recoveries: Callable[[], int]) -> None:
        self.lanes: Callable[[], Mapping[str, Load]] = dict
        self._lease_failures = lease_failures
        self._recoveries = recoveries

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("imgstore_build_info", "The release that runs.", labels=["version", "python"])
        build.add_metric([distribution.version(), platform.python_version()], 1)
        size = GaugeMetricFamily("imgstore_threads", "Threads for requests.", labels=["lane"])
        busy = GaugeMetricFamily("imgstore_threads_busy", "Threads that have a request.", labels=["lane"])
        waiting = GaugeMetricFamily("imgstore_requests_waiting", "Requests that wait for a thread.", labels=["lane"])
        vain = CounterMetricFamily("imgstore_requests_without_thread", "Those that waited in vain.", labels=["lane"])
        for lane, load in self.lanes().items():
            busy.add_metric([lane], load.busy)
            size.add_metric([lane], load.size)
            waiting.add_metric([lane], load.waiting)
            vain.add_metric([lane], load.in_vain)
        failures, recoveries = self._lease_failures(), self._recoveries()
        return [
            build, size, busy, waiting, vain,
            CounterMetricFamily("imgstore_lease_failures", "Renewals of leases that failed.", value=failures),
            CounterMetricFamily("imgstore_recoveries", "Uploads of dead processes that were ended.", value=recoveries),
        ]  # fmt: skip
