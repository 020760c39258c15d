"""What kept the bids away, as time: the seconds that the engine added up, as counters."""

from __future__ import annotations

from collections.abc import Mapping

from pmcore.engine.strategy.quoting_time import QuotingTime
from pmcore.engine.strategy.why import Obstacle
from pmcore.model.units import NS_PER_S
from pmcore.shell.service.metrics import ServiceMetrics

SIDES = 2
"""A side counts half, so that the seconds of all reasons add up to those of the window."""


class TimeMetrics:
    """Seconds of the engine's clock; a reason is one of the closed list `Obstacle`."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        series, by_reason = ("series",), ("series", "reason")
        counter = metrics.counter
        self._window = counter(
            "window_seconds_total", "Time in which bids could rest: from the opening", series
        )
        self._both_rest = counter(
            "both_rest_seconds_total", "Of it, with both bids resting", series
        )
        text = "Of it, without a bid on a side (half for each), by what kept it away"
        self._unquoted = counter("unquoted_seconds_total", text, by_reason)
        text = "Of it, without any bid, by what kept them away"
        self._idle = counter("idle_seconds_total", text, by_reason)
        self._seen_ns: dict[str, dict[tuple[str, str], int]] = {}

    def count(self, slug: str, series: str, time: QuotingTime) -> None:
        """Add what came since the last call for this window."""
        window_s = self._new_s(slug, "window", "", time.total_ns)
        self._window.labels(series).inc(window_s)
        both_rest_s = self._new_s(slug, "both", "", time.both_rest_ns)
        self._both_rest.labels(series).inc(both_rest_s)
        for reason, total_ns in _away(time.by_obstacle_ns).items():
            new_s = self._new_s(slug, "unquoted", reason, total_ns) / SIDES
            self._unquoted.labels(series, reason).inc(new_s)
        for reason, total_ns in _away(time.idle_ns).items():
            new_s = self._new_s(slug, "idle", reason, total_ns) / SIDES
            self._idle.labels(series, reason).inc(new_s)

    def forget(self, slug: str) -> None:
        """A window is over; its last seconds were added."""
        self._seen_ns.pop(slug, None)

    def _new_s(self, slug: str, name: str, reason: str, total_ns: int) -> float:
        seen_ns = self._seen_ns.setdefault(slug, {})
        before_ns = seen_ns.get((name, reason), 0)
        seen_ns[name, reason] = total_ns
        return (total_ns - before_ns) / NS_PER_S


def _away(totals_ns: Mapping[Obstacle, int]) -> dict[str, int]:
    return {o.value: ns for o, ns in totals_ns.items() if o is not Obstacle.NONE}
