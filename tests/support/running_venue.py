"""A simulated venue served on a free loopback port, from a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from py_clob_client_v2 import ClobClient

from pmcore.model.market import Protocol, Window, parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.web import listen
from pmcore.venue.listings import parse_gamma_market
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.ports import SimulatedVenue
from pmsimulator.app import create_app
from pmsimulator.rate_limits import Tier
from pmsimulator.server import VenueServer
from pmsimulator.world import World

SERIES = "btc-updown-5m"
START_NS = (1_790_000_100 + 10) * NS_PER_S


@dataclass
class RunningVenue:
    """Where it listens, and the world behind it (owned by the server's thread)."""

    address: str
    world: World
    start_ns: int

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def start_s(self) -> int:
        """When the world began."""
        return self.start_ns // NS_PER_S

    @property
    def slug(self) -> str:
        """The window that runs when the world begins."""
        return parse_series(SERIES).slug_at(self.start_ns)

    @property
    def next_slug(self) -> str:
        """The window after it: nobody quotes there yet."""
        spec = parse_series(SERIES)
        return spec.slug_at(self.start_ns + spec.length_s * NS_PER_S)

    def window(self, slug: str) -> Window:
        """What Gamma says about a window."""
        gamma = httpx.get(f"{self.url}/markets", params={"slug": slug}).json()[0]
        return parse_gamma_market(gamma)

    def tokens(self, slug: str) -> tuple[str, str]:
        """Token ids of Up and of Down."""
        window = self.window(slug)
        return window.up_token_id, window.down_token_id

    def faults(self, **wanted: object) -> None:
        """Replace the faults in force."""
        answer = httpx.post(f"{self.url}/sim/faults", json=wanted)
        assert answer.status_code == 200, answer.text

    def client(self, key: str, **options: object) -> ClobClient:
        """The official client with credentials of its own."""
        client = ClobClient(host=self.url, chain_id=self.world.chain_id, key=key, **options)
        client.set_api_creds(client.create_or_derive_api_key())
        return client


@contextmanager
def running_venue(
    venue: SimulatedVenue,
    clock: Clock,
    *,
    series: str = SERIES,
    outbox_frames: int = 20_000,
    tier: Tier = Tier.STANDARD,
    underlying_latency_ms: int = 0,
) -> Iterator[RunningVenue]:
    """Serve until the block ends; a failure of the server is the test's failure."""
    world = World(
        venue, clock, series=(parse_series(series),), chain_id=137, outbox_frames=outbox_frames
    )
    listener = listen("127.0.0.1", 0, "PM_SIM_PORT")
    host, port = listener.getsockname()
    listener.listen()
    running = RunningVenue(f"{host}:{port}", world, venue.now_ns)
    server = VenueServer(
        create_app(world, tier, underlying_latency_ms=underlying_latency_ms), listener
    )

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


@contextmanager
def synthetic_venue(
    *,
    seed: int = 1,
    speed: float = 1.0,
    accounts: AccountsParams | None = None,
    tier: Tier = Tier.STANDARD,
    outbox_frames: int = 20_000,
    protocol: Protocol = Protocol.V1,
    taker_delay_ms: int = 0,
    auto_tick: bool = False,
    underlying_latency_ms: int = 0,
) -> Iterator[RunningVenue]:
    """A synthetic world that begins ten seconds into a five-minute window."""
    params = SyntheticParams(
        series=(parse_series(SERIES),),
        seed=seed,
        start_ns=START_NS,
        protocol=protocol,
        taker_delay_ms=taker_delay_ms,
        auto_tick=auto_tick,
        accounts=accounts or AccountsParams(),
    )
    clock = Clock.starting_at(START_NS, speed)
    venue = FaultyVenue(SyntheticVenue(params), seed=seed)
    with running_venue(
        venue,
        clock,
        tier=tier,
        outbox_frames=outbox_frames,
        underlying_latency_ms=underlying_latency_ms,
    ) as running:
        yield running
