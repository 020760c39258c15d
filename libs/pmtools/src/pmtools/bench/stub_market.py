"""A stub of the venue's market side in a process of its own: windows, and a flow of frames.

`python -m pmtools.bench.stub_market DIRECTORY REDIS_URL` prints its port. The directory is that of
`market_files`. Frames are made ready at the start, so that sending costs next to nothing. Who is
connected at `/ws/market` or `/bare` gets them while the key `FLOW` names that path: as many a
second as `RATE` says, one by one, each series by its own chance (a Poisson process); without it as
fast as they are taken, never more than `WINDOW` ahead of what stands in Redis, which bounds the
lag.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pmcore.messages.base import Envelope
from pmcore.model.market import Outcome, Window
from pmcore.model.units import format_price, format_qty
from pmcore.shell.clock import monotonic_s
from pmcore.venue.encode import rest_book, to_text
from pmcore.wire import keys
from pmcore.wire.codec import FIELD_ENVELOPE

FLOW, RATE = "bench:flow", "bench:rate"
MARKET, BARE = "/ws/market", "/bare"
BARE_STREAM, BARE_COUNT = "bench:bare", b"n"
WINDOW = 500
_STEP_S = 0.002
_PACED_S = 0.25
"""At a rate it is asked only so often whether to go on."""
_STALLED_S = 10.0
_TEXT, _TWO_BYTES, _EIGHT_BYTES = 0x81, 126, 127
_SHORT, _MEDIUM = 125, 65_535


def published(rows: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> int:
    """How many entries a stream got, from its newest one."""
    if not rows:
        return 0
    fields = rows[0][1]
    if BARE_COUNT in fields:
        return int(fields[BARE_COUNT])
    return msgspec.json.decode(fields[FIELD_ENVELOPE], type=Envelope).seq


def socket_frame(text: str) -> bytes:
    """A text message as a server sends it: whole, not masked, not compressed (RFC 6455, 5.2)."""
    payload = text.encode()
    length = len(payload)
    if length <= _SHORT:
        head = bytes((_TEXT, length))
    elif length <= _MEDIUM:
        head = bytes((_TEXT, _TWO_BYTES)) + length.to_bytes(2)
    else:
        head = bytes((_TEXT, _EIGHT_BYTES)) + length.to_bytes(8)
    return head + payload


class StubMarket:
    """What it answers and sends."""

    def __init__(self, markets: Sequence[tuple[Window, Sequence[str]]], redis: Redis) -> None:
        self._frames = [[socket_frame(frame) for frame in frames] for _, frames in markets]
        self._windows = [window for window, _ in markets]
        self._redis = redis
        self._answers: dict[str, str] = {}
        for window in self._windows:
            self._answers |= _answers(window)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What REST asks; a WebSocket goes on."""
        path, _, query = request.path.partition("?")
        if path in (MARKET, BARE):
            return None
        body = self._answers.get(path) or self._answers.get(query.partition("&")[0])
        if body is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        return connection.respond(HTTPStatus.OK, body)

    async def talk(self, connection: ServerConnection) -> None:
        """Send while it is asked for; each PING has its PONG."""
        assert connection.request is not None
        place, stream = 0, BARE_STREAM
        if connection.request.path == MARKET:
            asked = str(await connection.recv())
            place = next(i for i, one in enumerate(self._windows) if one.up_token_id in asked)
            stream = keys.md(self._windows[place].series)
        sending = asyncio.create_task(
            self._send(connection, connection.request.path, self._frames[place], stream)
        )
        with suppress(ConnectionClosed):  # measured processes are just stopped
            async for message in connection:
                if message == "PING":
                    await connection.send("PONG")
        sending.cancel()

    async def _send(
        self, connection: ServerConnection, path: str, frames: Sequence[bytes], stream: str
    ) -> None:
        ahead, at, chance = 0, 0, random.Random(stream)  # noqa: S311 - no secret
        while True:
            asked = self._redis.pipeline(transaction=False)
            asked.get(FLOW)
            asked.get(RATE)
            asked.xrevrange(stream, count=1)
            flow, rate, rows = await asked.execute()
            if flow != path.encode():
                ahead = published(rows)
            elif rate:
                with _same_socket(connection) as sender:
                    at = await asyncio.to_thread(_paced, sender, frames, at, float(rate), chance)
                continue
            elif (room := WINDOW - (ahead - published(rows))) > 0:
                connection.transport.write(b"".join(frames[at : at + room]))
                sent = min(room, len(frames) - at)
                ahead, at = ahead + sent, (at + sent) % len(frames)
            await asyncio.sleep(_STEP_S)


def _same_socket(connection: ServerConnection) -> socket.socket:
    """The connection's socket once more, for a thread: timers of an event loop tick in ms."""
    same = socket.socket(fileno=os.dup(connection.transport.get_extra_info("socket").fileno()))
    same.settimeout(_STALLED_S)
    return same


def _paced(
    sender: socket.socket,
    frames: Sequence[bytes],
    at: int,
    rate_per_s: float,
    chance: random.Random,
) -> int:
    """Send at a rate for a while; the next frame's place."""
    due_s = begun_s = monotonic_s()
    while due_s < begun_s + _PACED_S:
        due_s += chance.expovariate(rate_per_s)
        time.sleep(max(0.0, due_s - monotonic_s()))
        sender.sendall(frames[at])
        at = (at + 1) % len(frames)
    return at


def _answers(window: Window) -> dict[str, str]:
    """By path or by the first of the query: Gamma's market, the CLOB's, and empty books."""
    tokens = [window.up_token_id, window.down_token_id]
    tick, least = format_price(window.tick_e4), format_qty(window.min_size_u6)
    listed: dict[str, Any] = {
        "slug": window.slug,
        "conditionId": window.condition_id,
        "clobTokenIds": to_text(tokens),
        "outcomes": '["Up", "Down"]',
        "orderPriceMinTickSize": tick,
        "orderMinSize": least,
        "acceptingOrders": True,
        "closed": False,
    }
    labels = zip(tokens, ("Up", "Down"), strict=True)
    clob = {"t": [{"t": one, "o": label} for one, label in labels], "mts": tick, "mos": least}
    books = {
        f"token_id={window.token_id(outcome)}": to_text(
            rest_book(
                window,
                outcome,
                bids=[],
                asks=[],
                ts_event_ns=window.open_ns,
                tick_e4=window.tick_e4,
                last_trade="",
            )
        )
        for outcome in Outcome
    }
    return {
        f"slug={window.slug}": to_text([listed]),
        f"/clob-markets/{window.condition_id}": to_text(clob),
        **books,
    }


def market_files(directory: Path, place: int) -> tuple[Path, Path]:
    """The window as JSON, and its frames, one a line, of the first, second, ... market."""
    return directory / f"window-{place}.json", directory / f"frames-{place}.txt"


def _markets(directory: Path) -> Iterator[tuple[Window, Sequence[str]]]:
    for place in range(len(list(directory.glob("window-*.json")))):
        window, frames = market_files(directory, place)
        decoded = msgspec.json.decode(window.read_bytes(), type=Window)
        yield decoded, frames.read_text().splitlines()


async def _serve(directory: Path, redis_url: str) -> None:
    markets = list(_markets(directory))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(len(markets) + 1))
    stub = StubMarket(markets, Redis.from_url(redis_url, protocol=2))
    async with serve(
        stub.talk, "127.0.0.1", 0, process_request=stub.answer, compression=None, ping_interval=None
    ) as server:
        (listening,) = server.sockets
        print(listening.getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2]))
