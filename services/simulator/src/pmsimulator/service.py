"""The simulator as a service: a world, its web server, and what /state says about them."""

from __future__ import annotations

import asyncio

from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.views import SimulatorView
from pmsimulator.audit import summary
from pmsimulator.metrics import WorldMetrics
from pmsimulator.settings import SimulatorSettings
from pmsimulator.venue import OpenVenue


class SimulatorService:
    """Serves the venue until it is stopped. It trades nothing, so a halt does not concern it."""

    name = "simulator"

    def __init__(self, context: ServiceContext[SimulatorSettings]) -> None:
        self._log = context.log
        self._venue = OpenVenue(context.settings, context.clock)
        self._ended = asyncio.Event()
        context.metrics.registry.register(WorldMetrics(self._venue.world))

    async def run(self) -> None:
        """Drive the world and serve; if one of the two fails, the process ends."""
        source = self._venue.world.venue.source
        self._log.info("venue_listening", url=f"http://{self._venue.address}", source=source)
        try:
            await self._venue.run()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Close the connections; say what was left in the book."""
        self._venue.close()
        await self._ended.wait()
        self._log.info("venue_closed", orders_open=self._venue.world.open_orders())

    def readiness(self) -> list[str]:
        """Ready once connections are taken."""
        return [] if self._venue.started else ["the venue is not listening yet"]

    def state(self) -> SimulatorView:
        """Counts over all accounts."""
        return summary(self._venue.world)

    async def on_halt(self, reason: str) -> None:
        """A venue does not stop because one of its traders does."""

    async def on_resume(self) -> None:
        """Nothing to take up again."""
