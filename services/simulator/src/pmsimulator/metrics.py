"""What Prometheus sees of the world, read when it asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pmsimulator.world import World


class WorldMetrics(Collector):
    """Open orders and the counts of the channels."""

    def __init__(self, world: World) -> None:
        self._world = world

    def collect(self) -> Iterator[Metric]:
        """One family for each count."""
        yield GaugeMetricFamily(
            "pm_simulator_open_orders", "Open orders of all accounts", self._world.open_orders()
        )
        heard = self._world.subscriptions
        for name, text, value in (
            ("market_frames", "Frames of the market channel", heard.market_frames),
            ("user_frames", "Frames of the user channel", heard.user_frames),
            ("slow_readers", "Connections cut off for not reading", heard.slow_disconnects),
            ("unusable_requests", "Client messages without a meaning", heard.unusable_requests),
            ("heartbeat_lapses", "Keys that lost their orders", self._world.heartbeat_lapses),
        ):
            yield CounterMetricFamily(f"pm_simulator_{name}_total", text, value)
