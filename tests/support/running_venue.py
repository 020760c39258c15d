"""A simulated venue served on a free loopback port, from a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from py_clob_client_v2 import ClobClient

from pmcore.model.market import parse_series
from pmcore.shell.clock import Clock
from pmcore.sim.ports import SimulatedVenue
from pmsimulator.app import VenueServer, create_app
from pmsimulator.service import listen
from pmsimulator.world import World


@dataclass
class RunningVenue:
    """Where it listens, and the world behind it (owned by the server's thread)."""

    address: str
    world: World

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def client(self, key: str, **options: object) -> ClobClient:
        """The official client with credentials of its own."""
        client = ClobClient(host=self.url, chain_id=self.world.chain_id, key=key, **options)
        client.set_api_creds(client.create_or_derive_api_key())
        return client


@contextmanager
def running_venue(
    venue: SimulatedVenue, clock: Clock, *, series: str, outbox_frames: int = 20_000
) -> Iterator[RunningVenue]:
    """Serve until the block ends; a failure of the server is the test's failure."""
    world = World(
        venue, clock, series=(parse_series(series),), chain_id=137, outbox_frames=outbox_frames
    )
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    listener.listen()
    running = RunningVenue(f"{host}:{port}", world)
    server = VenueServer(create_app(world), listener)

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            driver = tasks.create_task(world.run())
            await server.run()
            driver.cancel()

    with ThreadPoolExecutor(1, "running-venue") as pool:
        ended = pool.submit(asyncio.run, serve())
        try:
            yield running
        finally:
            server.close()
            ended.result(timeout=20)
            listener.close()
