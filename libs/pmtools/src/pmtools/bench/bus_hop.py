"""One message over the bus: published in one task, decoded in another; and the same, bare.

Both ends share a process and a loop, so that only what the bus adds is seen.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Any

import uvloop
from redis.asyncio import Redis

from pmcore.messages.market_data import BookDelta, LevelChange
from pmcore.model.market import BookSide, Outcome
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import codec, keys
from pmcore.wire.ports import Ack, Outgoing
from pmtools.bench.figures import Measured, Round, measured
from pmtools.run.redis_server import LocalRedis

GAP_S = 0.002
_MD = keys.md("btc-15m")
_BARE = "bench:bare"
_FLOOR = "XADD and XREAD of redis-py, the same bytes"
_CHANGES = (
    LevelChange(Outcome.UP, BookSide.BID, 4900, 7_500_000, "0" * 40, 4900, 5100),
    LevelChange(Outcome.DOWN, BookSide.ASK, 5100, 7_500_000, "0" * 40, 4900, 5100),
)


def measure(rounds: int, samples: int) -> list[Measured]:
    """`samples` of each in a round, in turn: without acknowledgement as `md`, with one as `cmd`."""
    with LocalRedis() as server:
        found = uvloop.run(_rounds(server.url, rounds, samples))
    names = {True: "bus, not acknowledged", False: "bus, acknowledged"}
    path = "publish to decoded message"
    return [measured(names[noack], path, _FLOOR, found[noack]) for noack in names]


async def _rounds(url: str, rounds: int, samples: int) -> dict[bool, list[Round]]:
    ends = [
        RedisBus.connect(url, source=name, run_id="bench", clock_ns=perf_counter_ns)
        for name in ("writer", "reader")
    ]
    bare = [Redis.from_url(url, protocol=2) for _ in ends]
    await ends[0].create_group("g", [_MD], announce=None)
    found: dict[bool, list[Round]] = {True: [], False: []}
    for _ in range(rounds):
        for of_kind in found.values():
            of_kind.append(Round())
        for _ in range(samples):
            floor_ns = await _bare_hop(*bare)
            for noack, of_kind in found.items():
                await asyncio.sleep(GAP_S)
                of_kind[-1].path_ns.append(await _hop(*ends, noack=noack))
                of_kind[-1].floor_ns.append(floor_ns)
            await asyncio.sleep(GAP_S)
    for end in ends:
        await end.close()
    for client in bare:
        await client.aclose()
    return found


async def _hop(writer: RedisBus, reader: RedisBus, *, noack: bool) -> int:
    waiting = asyncio.create_task(reader.read("g", "c", [_MD], block_ms=1_000, noack=noack))
    await asyncio.sleep(GAP_S)  # until it blocks at the server
    sent_ns = perf_counter_ns()
    message = BookDelta(slug="w", changes=_CHANGES, ts_event_ns=sent_ns, ts_recv_ns=sent_ns)
    sending = asyncio.create_task(writer.publish([Outgoing(_MD, message)]))
    entries = await waiting
    took_ns = perf_counter_ns() - sent_ns
    await sending
    if not noack:
        await reader.ack([Ack(_MD, "g", entry.entry_id) for entry in entries])
    return took_ns


async def _bare_hop(writer: Any, reader: Any) -> int:
    message = BookDelta(slug="w", changes=_CHANGES, ts_event_ns=1, ts_recv_ns=1)
    fields = {b"d": codec.encode(message)}
    waiting = asyncio.create_task(reader.xread({_BARE: "$"}, block=1_000))
    await asyncio.sleep(GAP_S)
    sent_ns = perf_counter_ns()
    sending = asyncio.create_task(writer.xadd(_BARE, fields))
    await waiting
    took_ns = perf_counter_ns() - sent_ns
    await sending
    return took_ns
