"""One feed with 1, 4 and 8 series, and four feeds of one series each; no simulator.

Each series is at ten times the rate of a real market. The stub of the market side sends frames that
were made before, so that nearly all of the two cores is the feeds' and Redis'. `scale` measures the
whole engine, and its simulator.
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
from pmtools.processes import Child
from pmtools.run.redis_server import LocalRedis

ONE = (1, 1)
SETUPS = (ONE, (4, 1), (4, 4), (8, 1))
"""Series, and the feeds that share them."""
RATE_PER_S = 1_200
"""Of a series: ten times the fitted world's, over half an hour (docs/performance.md)."""
WARM_S = 3.0
_Setup = tuple[int, int]
SAMPLE_S = 0.05


def measure(rounds: int, samples: int) -> list[Measured]:
    """A round takes `samples` times 50 ms for each number of series, with a new feed each time."""
    p50_ns: dict[_Setup, list[int]] = {setup: [] for setup in SETUPS}
    last: dict[_Setup, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as name:
        windows = write_markets(Path(name), max(series for series, _ in SETUPS))
        for _ in range(rounds):
            for setup in SETUPS:
                series, feeds = setup
                parts = [windows[place:series:feeds] for place in range(feeds)]
                last[setup] = _with_redis(parts, Path(name), samples * SAMPLE_S)
                p50_ns[setup].append(int(last[setup]["feed_parse, p50 ms"] * 1e6))
    floors = p50_ns[ONE]
    return [
        measured(
            f"feed, {_named(*setup)}",
            f"feed_parse of {_named(*setup)}, {RATE_PER_S:,} frames/s each",
            "feed_parse of one series, in the same run",
            [Round([path], [floor]) for path, floor in zip(found, floors, strict=True)],
            quantities=last[setup],
        )
        for setup, found in p50_ns.items()
    ]


def _named(series: int, feeds: int) -> str:
    return f"{series} series" + (f" in {feeds} feeds" if feeds > 1 else "")


def _with_redis(parts: list[list[Window]], directory: Path, seconds: float) -> dict[str, float]:
    with LocalRedis() as redis, stub_market(directory, redis) as port:
        return asyncio.run(_measure(redis, parts, directory, port, seconds))


async def _measure(
    redis: LocalRedis, parts: list[list[Window]], directory: Path, port: int, seconds: float
) -> dict[str, float]:
    windows = [window for part in parts for window in part]
    feeds: list[Child] = []
    try:
        for place, part in enumerate(parts):
            own = directory / f"feed-{place}"
            own.mkdir(exist_ok=True)
            feeds.append(await start_feed(redis, part, own, port))
        with Redis.from_url(redis.url) as client:
            client.set(RATE, RATE_PER_S)
            client.set(FLOW, MARKET)
            begun_s = monotonic_s()
            while min(_published(client, windows)) < RATE_PER_S:
                if monotonic_s() - begun_s > START_S:
                    raise CommandError(f"not every series flows after {START_S:g} s")
                await asyncio.sleep(SAMPLE_S)
            await asyncio.sleep(WARM_S)
            pids = {"feed": [feed.pid for feed in feeds], "Redis": [redis.pid or 0]}
            used = {name: _cpu_ms(of) for name, of in pids.items()}
            before, begun_s = sum(_published(client, windows)), monotonic_s()
            await asyncio.sleep(seconds)
            frames, span_s = sum(_published(client, windows)) - before, monotonic_s() - begun_s
            taken_ms = {name: _cpu_ms(of) - used[name] for name, of in pids.items()}
            resident = sum(use_of_process(pid).resident_bytes for pid in pids["feed"])
        parses = [(await state_of(feed))["hop_ms"]["feed_parse"] for feed in feeds]
    finally:
        for feed in feeds:
            await feed.stop()
    quantities = {f"feed_parse, {name} ms": _worst(parses, name) for name in ("p50", "p99")}
    quantities["frames a second, all series"] = frames / span_s
    for name, cpu_ms in taken_ms.items():
        quantities[f"{name}, us of CPU a frame"] = cpu_ms * 1_000 / max(frames, 1)
        quantities[f"{name}, ms of CPU a second"] = cpu_ms / span_s
    quantities["feed, resident MB"] = resident / 1e6
    return {name: round(value, 3) for name, value in quantities.items()}


def _cpu_ms(pids: list[int]) -> float:
    return sum(use_of_process(pid).cpu_ms for pid in pids)


def _worst(parses: list[dict[str, float]], name: str) -> float:
    """Of several feeds the slowest one's."""
    return max(parse[name] for parse in parses)


def _published(client: Any, windows: list[Window]) -> list[int]:
    return [published(client.xrevrange(keys.md(one.series), count=1)) for one in windows]
