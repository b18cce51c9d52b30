"""What Prometheus is told of this process; with several workers, of what all of them count."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import prometheus_client as prometheus
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

# Names the folder in which workers add up what they count; the library reads it once, at import.
SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE: Final = prometheus.CONTENT_TYPE_LATEST

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS: Final = prometheus.Histogram(
    "tradepost_request_seconds",
    "Requests and how long they took; of status 0 are those that nobody waited for",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PROBLEMS: Final = prometheus.Counter(
    "tradepost_problems", "Problems answered; 409 and 412 are conflicts", ["status", "code"]
)
SHED: Final = prometheus.Counter(
    "tradepost_shed", "Requests that were not served, and why", ["reason"]
)
RETRIES: Final = prometheus.Counter(
    "tradepost_retries", "Units of work that were tried again, and why", ["reason"]
)
UNTOLD: Final = prometheus.Counter(
    "tradepost_untold", "Notifications that could not be written, and why", ["reason"]
)
BATCH: Final = prometheus.Histogram(
    "tradepost_order_batch_size",
    "Orders placed in one transaction",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)


class Pool(Protocol):
    """Connections by what they do."""

    @property
    def idle(self) -> int: ...

    @property
    def used(self) -> int: ...


class Counted(Counter[str]):
    """A counter of reasons that Prometheus sees as well."""

    def __init__(self, metric: prometheus.Counter) -> None:
        super().__init__()
        self._metric = metric

    def __setitem__(self, reason: str, count: int) -> None:
        self._metric.labels(reason).inc(count - self[reason])
        super().__setitem__(reason, count)


class Observed(Counter[int]):
    """A counter of sizes that Prometheus sees as well, each as often as it occurs."""

    def __init__(self, metric: prometheus.Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __setitem__(self, size: int, count: int) -> None:
        self._metric.observe(size)
        super().__setitem__(size, count)


def exposition(pools: Mapping[str, Pool], *, waiting: int, outbox_age: float) -> bytes:
    """Everything that was counted, how this process stands, and the oldest event's age."""
    connections = GaugeMetricFamily(
        "tradepost_connections",
        "Connections to the database, of the worker that tells this",
        labels=["pool", "state"],
    )
    for name, pool in pools.items():
        connections.add_metric([name, "idle"], pool.idle)
        connections.add_metric([name, "used"], pool.used)
    orders = GaugeMetricFamily(
        "tradepost_orders_waiting", "Orders of the worker that tells this, to be placed", waiting
    )
    age = GaugeMetricFamily(
        "tradepost_outbox_age_seconds", "How long the oldest event waits", outbox_age
    )
    return prometheus.generate_latest(_Scrape([connections, orders, age]))


@dataclass(frozen=True, slots=True)
class _Scrape(Collector):
    gauges: Sequence[Metric]

    def collect(self) -> Iterator[Metric]:
        counted = prometheus.REGISTRY
        if SHARED in os.environ:
            counted = prometheus.CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        yield from counted.collect()
        yield from self.gauges
