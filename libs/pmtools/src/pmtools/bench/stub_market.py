"""A stub of the venue's market side in a process of its own: one window, and a flow of frames.

`python -m pmtools.bench.stub_market DIRECTORY REDIS_URL STREAM` prints its port. The directory has
`window.json`, and `frames.txt` with a frame a line; they are made ready at the start, so that
sending costs next to nothing. Who is connected at `/ws/market` or `/bare` gets them while the key
`FLOW` names that path, never more than `WINDOW` ahead of what stands in Redis: that bounds the lag.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
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
from pmcore.venue.encode import rest_book, to_text
from pmcore.wire.codec import FIELD_ENVELOPE

FLOW = "bench:flow"
MARKET, BARE = "/ws/market", "/bare"
BARE_STREAM, BARE_COUNT = "bench:bare", b"n"
WINDOW = 500
_STEP_S = 0.002
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

    def __init__(self, window: Window, frames: Sequence[str], redis: Redis, md: str) -> None:
        self._frames = [socket_frame(frame) for frame in frames]
        self._redis = redis
        self._streams = {MARKET: md, BARE: BARE_STREAM}
        self._answers = _answers(window)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What REST asks; a WebSocket goes on."""
        path, _, query = request.path.partition("?")
        if path in self._streams:
            return None
        body = self._answers.get(path) or self._answers.get(query.partition("&")[0])
        if body is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        return connection.respond(HTTPStatus.OK, body)

    async def talk(self, connection: ServerConnection) -> None:
        """Send while it is asked for; each PING has its PONG."""
        assert connection.request is not None
        sending = asyncio.create_task(self._send(connection, connection.request.path))
        with suppress(ConnectionClosed):  # measured processes are just stopped
            async for message in connection:
                if message == "PING":
                    await connection.send("PONG")
        sending.cancel()

    async def _send(self, connection: ServerConnection, path: str) -> None:
        stream, ahead, at = self._streams[path], 0, 0
        while True:
            asked = self._redis.pipeline(transaction=False)
            asked.get(FLOW)
            asked.xrevrange(stream, count=1)
            flow, rows = await asked.execute()
            if flow != path.encode():
                ahead = published(rows)
            elif (room := WINDOW - (ahead - published(rows))) > 0:
                connection.transport.write(b"".join(self._frames[at : at + room]))
                sent = min(room, len(self._frames) - at)
                ahead, at = ahead + sent, (at + sent) % len(self._frames)
            await asyncio.sleep(_STEP_S)


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
        "/markets": to_text([listed]),
        f"/clob-markets/{window.condition_id}": to_text(clob),
        **books,
    }


async def _serve(directory: Path, redis_url: str, md: str) -> None:
    window = msgspec.json.decode((directory / "window.json").read_bytes(), type=Window)
    frames = (directory / "frames.txt").read_text().splitlines()
    stub = StubMarket(window, frames, Redis.from_url(redis_url, protocol=2), md)
    async with serve(
        stub.talk, "127.0.0.1", 0, process_request=stub.answer, compression=None, ping_interval=None
    ) as server:
        (listening,) = server.sockets
        print(listening.getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
