"""What the server measures of itself, in Prometheus' text format."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_TYPE_LATEST", "Measured", "Metrics", "Phases"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)
_MOST_LABELS = 100
"""Each label is a series of its own at whoever collects them."""
OTHER = "(other)"
_REJECTED = {401: "unknown", 408: "slow", 413: "large", 429: "often", 503: "busy"}
"""Statuses of requests that were turned away, and why: no key, too slow, too large, too often, no room."""


class Phases(Protocol):
    """Hears how long each part of an answer took."""

    def phase(self, name: str, seconds: float) -> None:
        """One item was in this phase for so long: `queue` or `decode`; a whole batch in `inference`."""
        ...

    def batch(self, rows: int) -> None:
        """So many items went through the graph together."""
        ...


class Metrics:
    """Counters and histograms of one server. Safe to use from several threads.

    Args:
        labels: of the model. A hundred have a count each, of these or others; the rest one together.
        waiting: how many items wait now.
        lost: how many lines of the log nobody could take.

    >>> metrics = Metrics(waiting=lambda: 0)
    >>> metrics.predicted(["owl", "owl"])
    >>> [line for line in metrics.text().decode().splitlines() if "total" in line and "owl" in line]
    ['holdfast_labels_total{label="owl"} 2.0']
    """

    def __init__(
        self,
        labels: Sequence[str] = (),
        *,
        waiting: Callable[[], int],
        lost: Callable[[], int] = lambda: 0,
    ) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU, open files; on Linux
        Gauge("holdfast_waiting_items", "Items in the queue.", registry=registry).set_function(waiting)
        Gauge("holdfast_lost_lines", "Of the log.", registry=registry).set_function(lost)
        self.in_flight = 0
        """Requests in work; used from the event loop only."""
        working = Gauge("holdfast_in_flight_requests", "Requests in work.", registry=registry)
        working.set_function(lambda: self.in_flight)
        requests = ["route", "method", "status"]
        self._requests = Counter("holdfast_requests", "Requests that ended.", requests, registry=registry)
        self._rejected = Counter(
            "holdfast_rejected_requests", "Refused before any work was done.", ["why"], registry=registry
        )
        for why in _REJECTED.values():
            self._rejected.labels(why)  # at 0 from the start, or the first would be no increase
        self._seconds = Histogram(
            "holdfast_request_seconds", "From head to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._of_route: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        phases = Histogram(
            "holdfast_phase_seconds",
            "Queue and decode: an item each. Inference: a batch each.",
            ["phase"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._of_phase = {name: phases.labels(name) for name in ("queue", "decode", "inference")}
        self._batches = Histogram(
            "holdfast_batch_items", "Items in one run of the graph.", buckets=_ROWS, registry=registry
        )
        self._labels = Counter("holdfast_labels", "Labels that were given.", ["label"], registry=registry)
        self._counts = {label: self._labels.labels(label) for label in labels[:_MOST_LABELS]}

    def add(self, collector: Collector) -> None:
        """Tell these numbers too."""
        self._registry.register(collector)

    def phase(self, name: str, seconds: float) -> None:
        """See `Phases`."""
        self._of_phase[name].observe(seconds)

    def batch(self, rows: int) -> None:
        """See `Phases`."""
        self._batches.observe(rows)

    def predicted(self, labels: Iterable[str]) -> None:
        """These labels were given."""
        for label in labels:
            if (count := self._counts.get(label)) is None:
                known = label if len(self._counts) < _MOST_LABELS else OTHER
                count = self._counts[known] = self._labels.labels(known)
            count.inc()

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; 499 where nobody waited for the answer."""
        if (kept := self._of_route.get((route, method, status))) is None:  # to look both up takes longer
            kept = self._requests.labels(route, method, status), self._seconds.labels(route)
            self._of_route[route, method, status] = kept
        kept[0].inc()
        kept[1].observe(seconds)
        if (why := _REJECTED.get(status)) and method == "POST":  # a GET of /readyz may say 503 too
            self._rejected.labels(why).inc()

    def text(self) -> bytes:
        """All of it, as CONTENT_TYPE_LATEST says."""
        return bytes(generate_latest(self._registry))


class Counting(Protocol):
    """Counts what became of records."""

    def counts(self) -> dict[str, Any]:
        """Numbers by name."""
        ...


class JournalCounts(Collector):
    """What became of the records of predictions: each that was noted is written, lost or waiting."""

    def __init__(self, journal: Counting) -> None:
        self._journal = journal

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """See prometheus_client."""
        counts = self._journal.counts()
        records = CounterMetricFamily(
            "holdfast_journal_records", "Of predictions and labels.", labels=["what"]
        )
        inputs = CounterMetricFamily("holdfast_journal_inputs", "That were to be kept.", labels=["what"])
        for what in ("noted", "written", "lost"):
            records.add_metric([what], counts[what])
        for what, name in (("written", "inputs"), ("lost", "inputs_lost")):
            inputs.add_metric([what], counts[name])
        yield records
        yield inputs
        yield GaugeMetricFamily("holdfast_journal_waiting", "Records to be written.", value=counts["waiting"])
        broken = float(bool(counts["fault"] or counts.get("remote_fault")))
        yield GaugeMetricFamily(
            "holdfast_journal_fault", "1 while something cannot be written.", value=broken
        )
        if "spool_mb" in counts:
            size = counts["spool_mb"] * 1e6
            yield GaugeMetricFamily("holdfast_journal_spool_bytes", "That wait for the bucket.", value=size)


@contextmanager
def timed(phases: Phases | None, name: str) -> Iterator[None]:
    """Tell how long a block took, where somebody hears it."""
    began = time.perf_counter()
    try:
        yield
    finally:
        if phases:
            phases.phase(name, time.perf_counter() - began)


class Measured:
    """Counts the requests of an app. What no route answers is one route, whatever its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight += 1
        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.in_flight -= 1
            route = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if scope["method"] in _METHODS else OTHER
            self._metrics.ended(route, method, status, time.perf_counter() - began)


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
