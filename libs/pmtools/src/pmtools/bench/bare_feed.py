"""The floor of the feed's process: a WebSocket client, `json.loads`, and one XADD for each frame.

`python -m pmtools.bench.bare_feed STUB_PORT REDIS_URL`; with uvloop, as the services.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from pmcore.wire.registry import MD_MAX_LEN
from pmtools.bench.stub_market import BARE, BARE_COUNT, BARE_STREAM


async def _feed(port: int, redis_url: str) -> None:
    redis = Redis.from_url(redis_url, protocol=2)
    async with connect(
        f"ws://127.0.0.1:{port}{BARE}", ping_interval=None, max_queue=256, proxy=None
    ) as connection:
        number = 0
        async for frame in connection:
            json.loads(frame)
            number += 1
            entry: Any = {BARE_COUNT: number, b"d": frame}
            await redis.xadd(BARE_STREAM, entry, maxlen=MD_MAX_LEN, approximate=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_feed(int(sys.argv[1]), sys.argv[2]))
