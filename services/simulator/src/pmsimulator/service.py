"""The simulator as a service: a world, its web server, and what /state says about them."""

from __future__ import annotations

import asyncio

from pmcore.shell.service import ServiceContext
from pmcore.shell.web import listen
from pmsimulator.app import VenueServer, create_app
from pmsimulator.audit import summary
from pmsimulator.metrics import WorldMetrics
from pmsimulator.settings import SimulatorSettings
from pmsimulator.source import make_venue
from pmsimulator.world import World


class SimulatorService:
    """Serves the venue until it is stopped. It trades nothing, so a halt does not concern it."""

    name = "simulator"

    def __init__(self, context: ServiceContext[SimulatorSettings]) -> None:
        settings = context.settings
        self._log = context.log
        self._listener = listen(settings.sim_host, settings.sim_port, "PM_SIM_PORT")
        venue = make_venue(settings, context.clock)
        self._world = World(
            venue,
            context.clock,
            series=settings.series,
            chain_id=settings.chain_id,
            outbox_frames=settings.outbox_frames,
        )
        self._server = VenueServer(create_app(self._world, settings.tier), self._listener)
        self._ended = asyncio.Event()
        context.metrics.registry.register(WorldMetrics(self._world))

    async def run(self) -> None:
        """Drive the world and serve; either's death ends the process."""
        host, port = self._listener.getsockname()[:2]
        self._log.info("venue_listening", url=f"http://{host}:{port}", source=self._source)
        try:
            async with asyncio.TaskGroup() as tasks:
                driver = tasks.create_task(self._world.run())
                await self._server.run()
                driver.cancel()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Close the connections; say what was left in the book."""
        self._server.close()
        await self._ended.wait()
        self._log.info("venue_closed", orders_open=self._world.open_orders())

    def readiness(self) -> list[str]:
        """Ready once connections are taken."""
        return [] if self._server.started else ["the venue is not listening yet"]

    def state(self) -> dict[str, object]:
        """Counts over all accounts."""
        return summary(self._world)

    async def on_halt(self, reason: str) -> None:
        """A venue does not stop because one of its traders does."""

    async def on_resume(self) -> None:
        """Nothing to take up again."""

    @property
    def _source(self) -> str:
        return self._world.venue.source
