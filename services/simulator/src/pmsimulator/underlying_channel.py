"""The underlying's price as an exchange's public stream: `/underlying/btcusdt@bookTicker`.

In the form of Binance's `bookTicker` (docs/venue.md 7.4), a set time after the world's price moved:
informed takers may act at other times. A recording has no price of its own.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.encode import to_text
from pmcore.venue.exchange_frames import book_ticker_frame
from pmsim.crowd.underlying import STEP_NS
from pmsimulator.server import send_frames, text_frame
from pmsimulator.world import World

_STREAM = re.compile(r"^(?P<asset>[a-z0-9]+)usdt@bookTicker$")
_POLICY_VIOLATION = 1008
_REPEAT_NS = NS_PER_S
"""A price that does not move is said again this often, as other sizes come and go there too."""
_LEAST_WAIT_S = 0.002
"""Also in a world that cannot keep up with its clock: others must have their turn."""


def underlying_routes(world: World, latency_ms: int) -> APIRouter:
    """A WebSocket for each asset of the series; any other is closed with a reason."""
    router = APIRouter()

    @router.websocket("/underlying/{stream}")
    async def prices(socket: WebSocket, stream: str) -> None:
        await socket.accept()
        match = _STREAM.match(stream)
        asset = match["asset"] if match else ""
        if world.venue.underlying_e8(asset, world.now_ns()) is None:
            await socket.close(_POLICY_VIOLATION, "no such stream here")
            return
        reader = asyncio.create_task(_read(socket))
        writer = asyncio.create_task(_write(world, socket, asset, latency_ms * NS_PER_MS))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.wait({reader, writer})

    return router


async def _read(socket: WebSocket) -> None:
    """Nothing is expected; the end is seen here."""
    while (await socket.receive())["type"] == "websocket.receive":
        pass


async def _write(world: World, socket: WebSocket, asset: str, latency_ns: int) -> None:
    told_e8: int | None = None
    told_ns = updates = 0
    symbol = f"{asset}usdt".upper()
    with suppress(WebSocketDisconnect):  # the reader sees the end too
        while True:
            now_ns = world.now_ns()
            price_e8 = world.venue.underlying_e8(asset, now_ns - latency_ns)
            if price_e8 is not None and (price_e8 != told_e8 or now_ns - told_ns >= _REPEAT_NS):
                told_e8, told_ns, updates = price_e8, now_ns, updates + 1
                frame = to_text(book_ticker_frame(symbol, price_e8, updates))
                await send_frames(socket, [text_frame(frame)])
            due_ns = ((now_ns - latency_ns) // STEP_NS + 1) * STEP_NS + latency_ns
            wait_s = world.clock.real_s((due_ns - now_ns) / NS_PER_MS)
            await asyncio.sleep(max(wait_s, _LEAST_WAIT_S))
