"""Metrics of one process, in a registry of its own, named `pm_<service>_<noun>_<unit>`.

Labels come from a closed list and never hold an order, token or window id, so that the number of
time series is bounded. Hop latencies are real time, whatever PM_CLOCK says.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pmcore.model.check import invariant
from pmcore.model.ranks import nearest_rank
from pmcore.shell.files import disk_free_ratio

LABELS = frozenset(
    {"series", "asset", "outcome", "side", "state", "reason", "hop", "kind", "stream", "model"}
)
HOP_SAMPLES = 10_000
_HOP_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)


def begin_with_0(metric: Counter | Histogram, values: Iterable[str]) -> None:
    """Make the children of a label, so that an alert sees a step from 0 and not a first 1."""
    for value in values:
        metric.labels(value)


StreamPlace = tuple[str, str]
"""A series, "" for the streams of the account, and the kind of a stream."""


class _ByStream(Collector):
    """A gauge by stream whose value is absent, never zero, while it is not known."""

    def __init__(self, name: str, text: str) -> None:
        self.values: dict[StreamPlace, float] = {}
        self._name = name
        self._text = text

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=["series", "stream"])
        for place, value in self.values.items():
            family.add_metric(place, value)
        yield family


class _DiskFree(Collector):
    """The free part of a disk, read when Prometheus asks; absent while it cannot be read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[GaugeMetricFamily]:
        text = "Free part of the disk on which the process keeps its data"
        family = GaugeMetricFamily("pm_service_disk_free_ratio", text)
        if (ratio := disk_free_ratio(self._directory)) is not None:
            family.add_metric([], ratio)
        yield family


class ProcessMetrics:
    """Metrics of every process, and the place where a process makes its own."""

    def __init__(self, service: str, *, version: str, mode: str) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self.ready = Gauge("pm_service_ready", "1 when /readyz answers 200", registry=self.registry)
        build = Gauge(
            "pm_service_build_info",
            "Always 1; what runs here",
            ["service", "version", "mode"],
            registry=self.registry,
        )
        build.labels(service, version, mode).set(1)
        start = Gauge(
            "pm_service_start_time_seconds", "When the process started", registry=self.registry
        )
        start.set(time.time_ns() / 1e9)  # noqa: TID251 - a wall time for people

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """Make the counter `pm_<service>_<name>`; `name` ends in `_total`."""
        return Counter(self._name(name, labels), text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Make the gauge `pm_<service>_<name>`; `name` ends in its unit."""
        return Gauge(self._name(name, labels), text, labels, registry=self.registry)

    def histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> Histogram:
        """Make the histogram `pm_<service>_<name>`; `name` ends in its unit."""
        return Histogram(
            self._name(name, labels), text, labels, buckets=buckets, registry=self.registry
        )

    def watch_disk(self, directory: Path) -> None:
        """Show how much is free on the disk of a directory, which need not exist yet."""
        self.registry.register(_DiskFree(directory))

    def render(self) -> bytes:
        """Return the text for Prometheus."""
        return generate_latest(self.registry)

    def _name(self, name: str, labels: Sequence[str]) -> str:
        invariant(set(labels) <= LABELS, f"label of {name} not in the closed list")
        return f"pm_{self.service}_{name}"


class ServiceMetrics(ProcessMetrics):
    """And those of a service on the bus: its streams, its halt, its hops."""

    def __init__(self, service: str, *, version: str, mode: str, speed: float = 1.0) -> None:
        super().__init__(service, version=version, mode=mode)
        self._speed = speed
        self._hop_parts: dict[str, tuple[Histogram, deque[int]]] = {}
        self._lag = _ByStream("pm_bus_lag_entries", "Entries not yet delivered to this service")
        self._pending = _ByStream(
            "pm_bus_pending_age_seconds", "Age of the oldest entry delivered and not acknowledged"
        )
        self.registry.register(self._lag)
        self.registry.register(self._pending)
        self.dead_letters = Gauge(
            "pm_bus_dead_letters_state",
            "1 while an entry that could not be handled waits for a person",
            registry=self.registry,
        )
        self._hops = Histogram(
            "pm_hop_latency_seconds",
            "Real time between two points on the way from book to order",
            ["hop"],
            buckets=_HOP_BUCKETS_S,
            registry=self.registry,
        )
        self.halted = Gauge(
            "pm_service_halted", "1 while the operator's halt holds", registry=self.registry
        )
        self.bus_connected = Gauge(
            "pm_service_bus_connected", "1 while Redis answers", registry=self.registry
        )

    def hop(self, hop: str, latency_ns: int) -> None:
        """Count a latency given in the clock's (virtual) nanoseconds; negative ones count as 0."""
        real_ns = int(max(latency_ns, 0) / self._speed)
        known = self._hop_parts.get(hop)
        if known is None:
            known = self._hop_parts[hop] = (self._hops.labels(hop), deque(maxlen=HOP_SAMPLES))
        known[0].observe(real_ns / 1e9)
        known[1].append(real_ns)

    def hop_ms(self) -> dict[str, dict[str, float]]:
        """Exact p50 and p99 (ms) over the last 10 000 latencies of each hop, and their number."""
        return {hop: _quantiles_ms(sorted(last)) for hop, (_, last) in self._hop_parts.items()}

    def bus_lag(self, lags: Mapping[StreamPlace, int | None]) -> None:
        """Set the worst lag of this service's groups of each stream; unknown ones disappear."""
        self._lag.values = {place: lag for place, lag in lags.items() if lag is not None}

    def bus_pending_age(self, ages_s: Mapping[StreamPlace, float | None]) -> None:
        """Set the age of the oldest unacknowledged entry of each stream; unknown ones disappear."""
        self._pending.values = {place: age for place, age in ages_s.items() if age is not None}


def _quantiles_ms(ordered: Sequence[int]) -> dict[str, float]:
    return {
        "p50": nearest_rank(ordered, 50) / 1e6,
        "p99": nearest_rank(ordered, 99) / 1e6,
        "n": len(ordered),
    }
