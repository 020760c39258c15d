"""The floor of tick-to-wire: three processes, two stream hops and one POST that do nothing else.

A frame of the kind `RECORDED` has besides what no order may go without: the last process signs an
order and waits until its id stands in a stream before the POST, whose headers have their HMAC.

`python -m pmtools.bench.bare_relay HOP REDIS_URL STUB_PORT`; the first hop prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import msgspec
import uvloop
from redis.asyncio import Redis

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import real_now_ns
from pmcore.venue.l2_auth import l2_headers
from pmexecutor.signer import OrderSigner
from pmtools.bench.sample_order import CREDENTIALS, KEY, sign_sample
from pmtools.bench.stub_venue import StubAnswer

FIRST, SECOND, DONE = "bench:first", "bench:second", "bench:done"
RECORD = "bench:record"
BARE, RECORDED = b"bare", b"recorded"
HOPS = ("feed", "strategy", "executor")


async def _feed(redis: Redis) -> None:
    async def take(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await redis.xadd(FIRST, {"d": line})

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def _strategy(redis: Redis) -> None:
    async for line in _read(redis, FIRST):
        await redis.xadd(SECOND, {"d": line})


async def _executor(redis: Redis, stub_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stub_port)
    signer, salts = OrderSigner(KEY), count()
    async for line in _read(redis, SECOND):
        number, kind, _ = line.split()
        headers, body = b"", line
        if kind == RECORDED:
            order = sign_sample(signer, next(salts))
            body = order.body(CREDENTIALS.api_key)
            await redis.xadd(RECORD, {"d": order.order_hash})
            headers = _signed_headers(body)
        head = f"POST /order HTTP/1.1\r\nHost: stub\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + headers + b"\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        stub = msgspec.json.decode(await reader.readexactly(length), type=StubAnswer)
        await redis.xadd(DONE, {"number": number, "kind": kind, "ns": stub.received_ns})


def _signed_headers(body: bytes) -> bytes:
    now_s = real_now_ns() // NS_PER_S
    headers = l2_headers(CREDENTIALS, now_s, "POST", "/order", body)
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


async def _read(redis: Redis, stream: str) -> AsyncIterator[bytes]:
    last = "0"
    while True:
        rows: Any = await redis.xread({stream: last}, block=1_000)
        for entry_id, fields in rows[0][1] if rows else ():
            last = entry_id
            yield fields[b"d"]


async def _hop(name: str, redis_url: str, stub_port: int) -> None:
    redis = Redis.from_url(redis_url, protocol=2)
    match name:
        case "feed":
            await _feed(redis)
        case "strategy":
            await _strategy(redis)
        case _:
            await _executor(redis, stub_port)


if __name__ == "__main__":
    uvloop.run(_hop(sys.argv[1], sys.argv[2], int(sys.argv[3])))
