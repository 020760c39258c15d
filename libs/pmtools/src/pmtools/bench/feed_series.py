"""One feed with 1, 4 and 8 series, each at ten times the rate of a real market; no simulator.

The stub of the market side sends frames that were made before, so that nearly all of the two cores
is the feed's and Redis'. `scale` measures the whole engine, and its simulator.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from redis import Redis

from pmcore.model.market import Window
from pmcore.shell.clock import monotonic_s
from pmcore.wire import keys
from pmtools.bench.feed_process import START_S, start_feed, state_of, stub_market, write_markets
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.stub_market import FLOW, MARKET, RATE, published
from pmtools.errors import CommandError
from pmtools.hosts.usage import use_of_process
from pmtools.run.redis_server import LocalRedis

SERIES = (1, 4, 8)
RATE_PER_S = 1_200
"""Of a series: ten times the fitted world's, over half an hour (docs/performance.md)."""
WARM_S = 3.0
SAMPLE_S = 0.05


def measure(rounds: int, samples: int) -> list[Measured]:
    """A round takes `samples` times 50 ms for each number of series, with a new feed each time."""
    p50_ns: dict[int, list[int]] = {number: [] for number in SERIES}
    last: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as name:
        windows = write_markets(Path(name), max(SERIES))
        for _ in range(rounds):
            for number in SERIES:
                last[number] = _with_redis(windows[:number], Path(name), samples * SAMPLE_S)
                p50_ns[number].append(int(last[number]["feed_parse, p50 ms"] * 1e6))
    floors = p50_ns[SERIES[0]]
    return [
        measured(
            f"feed, {number} series",
            f"feed_parse of {number} series, {RATE_PER_S:,} frames/s each",
            "feed_parse of one series, in the same run",
            [Round([path], [floor]) for path, floor in zip(found, floors, strict=True)],
            quantities=last[number],
        )
        for number, found in p50_ns.items()
    ]


def _with_redis(windows: list[Window], directory: Path, seconds: float) -> dict[str, float]:
    with LocalRedis() as redis, stub_market(directory, redis) as port:
        return asyncio.run(_measure(redis, windows, directory, port, seconds))


async def _measure(
    redis: LocalRedis, windows: list[Window], directory: Path, port: int, seconds: float
) -> dict[str, float]:
    feed = await start_feed(redis, windows, directory, port)
    try:
        with Redis.from_url(redis.url) as client:
            client.set(RATE, RATE_PER_S)
            client.set(FLOW, MARKET)
            begun_s = monotonic_s()
            while min(_published(client, windows)) < RATE_PER_S:
                if monotonic_s() - begun_s > START_S:
                    raise CommandError(f"not every series flows after {START_S:g} s")
                await asyncio.sleep(SAMPLE_S)
            await asyncio.sleep(WARM_S)
            pids = {"feed": feed.pid, "Redis": redis.pid or 0}
            used = {name: use_of_process(pid).cpu_ms for name, pid in pids.items()}
            before, begun_s = sum(_published(client, windows)), monotonic_s()
            await asyncio.sleep(seconds)
            frames, span_s = sum(_published(client, windows)) - before, monotonic_s() - begun_s
            uses = {name: use_of_process(pid) for name, pid in pids.items()}
        parse = (await state_of(feed))["hop_ms"]["feed_parse"]
    finally:
        await feed.stop()
    quantities = {f"feed_parse, {name} ms": parse[name] for name in ("p50", "p99")}
    quantities["frames a second, all series"] = frames / span_s
    for name in pids:
        taken_ms = uses[name].cpu_ms - used[name]
        quantities[f"{name}, us of CPU a frame"] = taken_ms * 1_000 / max(frames, 1)
        quantities[f"{name}, ms of CPU a second"] = taken_ms / span_s
    quantities["feed, resident MB"] = uses["feed"].resident_bytes / 1e6
    return {name: round(value, 2) for name, value in quantities.items()}


def _published(client: Any, windows: list[Window]) -> list[int]:
    return [published(client.xrevrange(keys.md(one.series), count=1)) for one in windows]
