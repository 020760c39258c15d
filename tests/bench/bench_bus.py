"""How fast the bus is here: `python tests/bench/bench_bus.py [redis-url]`; starts its own Redis.

Prints the hop (publish called in one loop task -> entry decoded in another) at a steady rate, and
how many entries a second go through in batches. Both ends share one process and one core.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import quantiles
from time import perf_counter_ns

from pmcore.messages.market_data import BookDelta, LevelChange
from pmcore.model.market import BookSide, Outcome
from pmcore.shell.bus.redis_bus import RedisBus
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Bus, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmtools.run.redis_server import LocalRedis

CMD_HOPS, RATE_HZ, BATCHES, BATCH = 2_000, 400, 100, 200
MD = keys.md("btc-15m")
CHANGES = (
    LevelChange(Outcome.UP, BookSide.BID, 4900, 7_500_000, "0" * 40, 4900, 5100),
    LevelChange(Outcome.DOWN, BookSide.ASK, 5100, 7_500_000, "0" * 40, 4900, 5100),
)


def delta() -> Outgoing:
    now_ns = perf_counter_ns()
    return Outgoing(
        MD,
        BookDelta(slug="btc-updown-15m-1", changes=CHANGES, ts_event_ns=now_ns, ts_recv_ns=now_ns),
    )


async def hops(writer: Bus, reader: Bus, *, noack: bool) -> list[float]:
    took_us: list[float] = []

    async def consume() -> None:
        while len(took_us) < CMD_HOPS:
            entries = await reader.read("g", "c", [MD], block_ms=1_000, noack=noack)
            now_ns = perf_counter_ns()
            for entry in entries:
                assert isinstance(entry.message, BookDelta)
                took_us.append((now_ns - entry.message.ts_recv_ns) / 1000)
            if not noack:
                await reader.ack([Ack(MD, "g", entry.entry_id) for entry in entries])

    consuming = asyncio.create_task(consume())
    for _ in range(CMD_HOPS):
        await writer.publish([delta()])
        await asyncio.sleep(1 / RATE_HZ)
    await consuming
    return took_us


async def throughput(writer: Bus, reader: Bus) -> float:
    started_ns = perf_counter_ns()
    for _ in range(BATCHES):
        await writer.publish([delta() for _ in range(BATCH)])
        await reader.read("g", "c", [MD], block_ms=1_000, noack=True)
    return BATCHES * BATCH / ((perf_counter_ns() - started_ns) / 1e9)


async def measure(name: str, writer: Bus, reader: Bus) -> None:
    await writer.create_group("g", [MD], announce=None)
    for noack in (True, False):
        cuts = quantiles(await hops(writer, reader, noack=noack), n=1000)
        kind = "NOACK" if noack else "acknowledged"
        print(
            f"{name:8} hop, {kind}: p50 {cuts[499]:.0f} us, p99 {cuts[989]:.0f} us, "
            f"p99.9 {cuts[998]:.0f} us"
        )
    print(f"{name:8} batches of {BATCH}: {await throughput(writer, reader):,.0f} entries/s")


def connect(url: str, source: str) -> RedisBus:
    return RedisBus.connect(url, source=source, run_id="bench", clock_ns=perf_counter_ns)


async def main(url: str) -> None:
    store = MemoryStore(perf_counter_ns)
    memory = [MemoryBus(store, source=source, run_id="bench") for source in ("w", "r")]
    await measure("memory", *memory)
    writer, reader = connect(url, "w"), connect(url, "r")
    await measure("redis", writer, reader)
    await writer.close()
    await reader.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with LocalRedis() as server:
            asyncio.run(main(server.url))
