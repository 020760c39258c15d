"""The underlying's price from a public stream of an exchange, for the windows of one asset.

It has a socket and a task of its own: whatever happens to it, the market data flow on. Nothing is
sent to the exchange; the stream is named by the path of the URL (docs/venue.md 7.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import DOLLAR_E8, NS_PER_MS, NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.health import Health
from pmcore.shell.service.logs import Log
from pmcore.shell.websocket import Frame, SocketDown, SocketEvent, SocketUp, WebSocketClient
from pmcore.venue.exchange_frames import ExchangePrice, exchange_price_of
from pmfeed.metrics import FeedMetrics

ASSET = "{asset}"
SAME_PRICE_NS = 250 * NS_PER_MS
"""A price that did not change is passed on this often, so that its age stays small."""
LOOK_S = 0.5


class PriceListener(Protocol):
    """Who wants the price of an asset."""

    def hear_underlying(self, recv_ns: int, price: ExchangePrice) -> None:
        """Take a price with the time of its receipt; must not wait."""
        ...


class UnderlyingFeed:
    """Reads one asset's stream from `run` until it is cancelled, and tells its listeners."""

    def __init__(
        self, url: str, asset: str, clock: Clock, metrics: FeedMetrics, health: Health, log: Log
    ) -> None:
        self.listeners: list[PriceListener] = []
        self._asset = asset
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._log = log
        self._trouble = f"price of the underlying {asset}"
        self._socket = WebSocketClient(
            url.replace(ASSET, asset), hello=None, ping_s=None, now_ns=clock.now_ns
        )
        self._connected = False
        self._reason = "not connected yet"
        self._price: ExchangePrice | None = None
        self._recv_ns = 0
        self._told_ns = 0
        metrics.underlying_connected.labels(asset).set(0)

    async def run(self) -> None:
        """Keep the socket, pass prices on, show their age."""
        socket = asyncio.create_task(self._socket.run())
        try:
            while True:
                if socket.done():
                    socket.result()
                self._take(await self._socket.next_batch(LOOK_S))
        finally:
            socket.cancel()
            await asyncio.wait({socket})

    def state(self) -> dict[str, object]:
        """For `/state`: connected or why not, the price in dollars and its age."""
        known = self._price is not None
        age_ns = self._clock.now_ns() - self._recv_ns
        return {
            "connected": self._connected,
            "reason": self._reason,
            "price": self._price.price_e8 / DOLLAR_E8 if self._price else None,
            "age_ms": age_ns // NS_PER_MS if known else None,
        }

    def _take(self, batch: Sequence[SocketEvent]) -> None:
        """Read all that came; of several prices the newest is passed on."""
        newest: tuple[int, ExchangePrice] | None = None
        for event in batch:
            match event:
                case Frame():
                    price = self._read(event.text)
                    newest = (event.recv_ns, price) if price is not None else newest
                case SocketUp():
                    self._metrics.underlying_connects.labels(self._asset).inc()
                    self._say(connected=True, reason="")
                    self._health.clear_trouble(self._trouble)
                case SocketDown():
                    self._say(connected=False, reason=event.reason)
                    text = f"{self._socket.url}: {event.reason}"
                    self._health.set_trouble(self._trouble, event.cause, text)
                case _:
                    pass
        if newest is not None:
            self._pass_on(*newest)
        if self._price is not None:
            age_s = (self._clock.now_ns() - self._recv_ns) / NS_PER_S
            self._metrics.underlying_age.labels(self._asset).set(age_s)

    def _read(self, text: str) -> ExchangePrice | None:
        try:
            return exchange_price_of(text)
        except MalformedInputError as error:
            self._metrics.underlying_unusable.labels(error.reason).inc()
            return None

    def _pass_on(self, recv_ns: int, price: ExchangePrice) -> None:
        changed = self._price is None or price.price_e8 != self._price.price_e8
        self._price, self._recv_ns = price, recv_ns
        if not changed and recv_ns - self._told_ns < SAME_PRICE_NS:
            return
        self._told_ns = recv_ns
        self._metrics.underlying_prices.labels(self._asset).inc()
        for listener in self.listeners:
            listener.hear_underlying(recv_ns, price)

    def _say(self, *, connected: bool, reason: str) -> None:
        if connected is not self._connected:
            self._log.info(
                "underlying_socket", asset=self._asset, connected=connected, reason=reason
            )
        self._connected, self._reason = connected, reason
        self._metrics.underlying_connected.labels(self._asset).set(connected)
