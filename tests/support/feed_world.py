"""A feed service in this process, on a memory bus, against the tiny venue."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.union import StreamMessage
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import ServiceContext
from pmcore.wire import keys
from pmcore.wire.codec import decode_entry
from pmfeed.service import FeedService
from pmfeed.settings import FeedSettings
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.fake_market import UP_ID, FakeMarket
from support.venue_peer import PeerSocket, VenuePeer, eventually

SLUG = "btc-updown-15m-1790766900"
SERIES = "btc-15m"
ACCOUNT = "main"

MessageT = TypeVar("MessageT")


class JumpingClock(Clock):
    """Stands `lead_ns` later when a test says so: no window is over before the test is there."""

    lead_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.lead_ns


class FeedWorld:
    def __init__(self, peer: VenuePeer, data_dir: Path) -> None:
        self.peer = peer
        self.data_dir = data_dir
        self.markets = {SLUG: FakeMarket(SLUG)}
        self.logs = io.StringIO()
        self.at(self.market.window.open_ns + NS_PER_S)
        self.store = MemoryStore(lambda: self.clock.now_ns())
        peer.routes |= {
            "/markets": self._listing,
            "/book": self._book,
            f"/clob-markets/{self.market.window.condition_id}": self._clob_market,
        }

    @property
    def market(self) -> FakeMarket:
        return self.markets[SLUG]

    def _listing(self, params: Any, _: Any) -> tuple[int, Any]:
        market = self.markets.get(params["slug"])
        return 200, [] if market is None else [market.listing()]

    def _clob_market(self, *_: Any) -> tuple[int, Any]:
        return 200, self.market.clob_market()

    def _book(self, params: Any, _: Any) -> tuple[int, Any]:
        outcome = Outcome.UP if params["token_id"] == UP_ID else Outcome.DOWN
        return 200, self.market.book(outcome)

    def at(self, ns: int, speed: float = 1.0) -> None:
        """Let the world be at this time, before the service starts."""
        self.clock = JumpingClock(ns, real_now_ns(), speed)

    def jump_to(self, ns: int) -> None:
        """Let it be this time at once, while the service runs."""
        self.clock.lead_ns += ns - self.clock.now_ns()

    def messages(self, stream: str, kind: type[MessageT]) -> list[MessageT]:
        """What was published of one kind, oldest first."""
        return [message for message in self.published(stream) if isinstance(message, kind)]

    def published(self, stream: str) -> list[StreamMessage]:
        entries = self.store.stream(stream)
        ids = entries.after((0, 0), 100_000)
        decoded = [decode_entry(stream, "", entries.fields(entry_id)) for entry_id in ids]
        return [item.message for item in decoded if item.message is not None]

    def states(self) -> list[FeedState]:
        return [message.state for message in self.messages(self.md, FeedStatusChanged)]

    async def state(self, *expected: FeedState) -> None:
        """Wait until these were the last states told."""
        await eventually(
            lambda: self.states()[-len(expected) :] == list(expected), f"states {expected}"
        )

    @property
    def md(self) -> str:
        return keys.md(SERIES)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[FeedService]:
        values = {
            "market_slugs": (SLUG,),
            "rest_url": self.peer.http_url,
            "gamma_url": self.peer.http_url,
            "ws_base_url": self.peer.ws_url,
            "data_dir": self.data_dir,
            "silent_ms": 60_000,  # a busy machine is no silent venue
            **settings,
        }
        service = FeedService(
            ServiceContext(
                settings=FeedSettings(**values),
                clock=self.clock,
                bus=MemoryBus(self.store, source="feed", run_id="r"),
                metrics=ServiceMetrics("feed", version="1", mode="sim"),
                log=configure_logs("feed", "debug", self.logs),
                run_id="r",
            )
        )
        task = asyncio.create_task(service.run())
        self.task = task
        try:
            yield service
        finally:
            task.cancel()
            await asyncio.wait({task})
            await service.stop()
        if not task.cancelled():
            task.result()

    async def connected(self) -> PeerSocket:
        """The feed's next connection, subscribed and given both books."""
        socket = await self.peer.socket()
        await socket.hello()
        await socket.send(self.market.dump())
        return socket
