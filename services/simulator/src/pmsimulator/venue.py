"""An open venue: its world, its port, and the task that drives both."""

from __future__ import annotations

import asyncio

from pmcore.shell.clock import Clock
from pmcore.shell.service.web import listen
from pmsimulator.app import create_app
from pmsimulator.server import VenueServer
from pmsimulator.settings import SimulatorSettings
from pmsimulator.source import make_venue
from pmsimulator.world import World


class OpenVenue:
    """Everything but the process around it; `StartupError` in words when it cannot be opened."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        self._listener = listen(settings.sim_host, settings.sim_port, "PM_SIM_PORT")
        venue = make_venue(settings, clock)
        self.world = World(
            venue,
            clock,
            series=settings.series,
            chain_id=settings.chain_id,
            outbox_frames=settings.outbox_frames,
            listed_ahead_s=settings.listed_ahead_s,
        )
        app = create_app(
            self.world,
            settings.tier,
            seed=settings.seed,
            door_faults=settings.faults.door,
            underlying_latency_ms=settings.underlying_latency_ms,
        )
        self._server = VenueServer(app, self._listener)
        self._listener.listen()

    @property
    def address(self) -> str:
        """Host and port, as they really are."""
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def started(self) -> bool:
        """Whether connections are taken."""
        return self._server.started

    async def run(self) -> None:
        """Drive the world and serve until `close`; if one of the two fails, both end."""
        async with asyncio.TaskGroup() as tasks:
            driver = tasks.create_task(self.world.run())
            await self._server.run()
            driver.cancel()

    def close(self) -> None:
        """End the connections and then `run`."""
        self._server.close()
