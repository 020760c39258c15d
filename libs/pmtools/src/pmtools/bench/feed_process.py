"""The whole feed as a process: WebSocket, parser, books, a real Redis; frames a second, sustained.

A stub of the venue sends the seeded market's frames as fast as they are taken, at most `WINDOW`
ahead of what stands in Redis. The floor is a bare loop in the other half of each round.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Any

import msgspec
from redis import Redis

from pmcore.model.market import Window, parse_series
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.clock import Clock, monotonic_s
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.wire import keys
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.stub_market import BARE, BARE_STREAM, FLOW, MARKET, market_files, published
from pmtools.errors import CommandError
from pmtools.hosts.usage import use_of_process
from pmtools.ports import free_ports
from pmtools.processes import Child, start_child, start_module
from pmtools.run.plan import PORTS, RunOptions, Surroundings, plan_run
from pmtools.run.redis_server import LocalRedis

FRAMES = 20_000
"""Then they begin again. More trades are in them than the feed remembers for duplicates."""
_START_NS = 1_790_766_900 * NS_PER_S
_STEP_NS = 50 * NS_PER_MS
SLICE_S = 0.05
WARM_S = 0.5
START_S = 30.0
_TOKEN = "bench"  # noqa: S105 - of this run only
_SETTINGS = {"PM_FEED_SILENT_MS": "60000"}


def measure(rounds: int, samples: int) -> list[Measured]:
    """A round has `samples` slices of 50 ms of the feed, and as many of the floor."""
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as name, LocalRedis() as redis:
        directory = Path(name)
        (window,) = write_markets(directory, 1)
        with stub_market(directory, redis) as port:
            return asyncio.run(_measure(redis, window, directory, port, rounds, samples))


def write_markets(directory: Path, count: int) -> list[Window]:
    """The first frames of seeded markets that say something, for the stub; their windows."""
    series = tuple(parse_series(f"bench{place}-updown-15m") for place in range(count))
    venue = SyntheticVenue(SyntheticParams(series=series, seed=7, start_ns=_START_NS))
    windows = [
        next(one.window for one in venue.listings() if one.window.series == each.series)
        for each in series
    ]
    parser = MarketFrameParser(*windows)
    told: dict[str, list[str]] = {window.condition_id: [] for window in windows}
    while min(map(len, told.values())) < FRAMES:
        for event in venue.advance(venue.now_ns + _STEP_NS):
            if not isinstance(event, MarketFrame) or event.condition_id not in told:
                continue
            if len(parser.parse(event.text, ts_recv_ns=event.at_ns)) == 1:
                told[event.condition_id].append(event.text)
    for place, window in enumerate(windows):
        described, frames = market_files(directory, place)
        described.write_bytes(msgspec.json.encode(window))
        frames.write_text("\n".join(told[window.condition_id][:FRAMES]))
    return windows


@contextmanager
def stub_market(directory: Path, redis: LocalRedis) -> Iterator[int]:
    """Run the stub; its port."""
    with start_module("pmtools.bench.stub_market", str(directory), redis.url) as stub:
        assert stub.stdout is not None
        try:
            yield int(stub.stdout.readline())
        finally:
            stub.terminate()


async def _measure(
    redis: LocalRedis, window: Window, directory: Path, port: int, rounds: int, samples: int
) -> list[Measured]:
    bare = start_module("pmtools.bench.bare_feed", str(port), redis.url)
    feed = await start_feed(redis, [window], directory, port)
    try:
        with Redis.from_url(redis.url) as client:
            halves = {
                MARKET: Half(client, MARKET, keys.md(window.series), feed.pid, redis.pid),
                BARE: Half(client, BARE, BARE_STREAM, bare.pid, redis.pid),
            }
            for number in range(rounds):
                for half in sorted(
                    halves.values(), key=lambda one: one.path, reverse=number % 2 > 0
                ):
                    half.run(samples)
        state = await state_of(feed)
    finally:
        await feed.stop()
        bare.terminate()
        bare.wait()
    return [_figure(halves[MARKET], halves[BARE], state)]


async def start_feed(
    redis: LocalRedis, windows: Sequence[Window], directory: Path, port: int
) -> Child:
    """The real feed of these windows, in their first second."""
    around = Surroundings(
        directory=directory,
        redis_url=redis.address,
        redis_passwords={},
        control_token=_TOKEN,
        clock=Clock.starting_at(windows[0].open_ns, 1.0).spec(),
        environ={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            **_SETTINGS,
        },
    )
    market = ",".join(window.slug for window in windows)
    options = RunOptions(seconds=800, venue="sim", dry_run=False, market=market)
    (spec,) = [
        one for one in plan_run(options, around, free_ports(PORTS)).children if one.name == "feed"
    ]
    spec.env["POLYMARKET_WS_BASE_URL"] = f"ws://127.0.0.1:{port}/ws"
    for name in ("POLYMARKET_REST_URL", "POLYMARKET_GAMMA_URL"):
        spec.env[name] = f"http://127.0.0.1:{port}"
    return await start_child(spec, directory)


class Half:
    """The feed, or the floor: what it took while frames flowed to it."""

    def __init__(
        self, client: Any, path: str, stream: str, pid: int, redis_pid: int | None
    ) -> None:
        self.path = path
        self.slices: list[list[int]] = []
        """Of each round: nanoseconds a frame, in each slice."""
        self.frames = 0
        self.took_ns = 0
        self.own_ns: list[int] = []
        """Of each round: its processor time, a frame."""
        self.redis_ns: list[int] = []
        self._client = client
        self._stream = stream
        self._pids = (pid, redis_pid or 0)

    def run(self, samples: int) -> None:
        """One half of a round. Raise `CommandError` if frames do not begin to arrive."""
        self._client.set(FLOW, self.path)
        begun_s, before = monotonic_s(), self._count()
        while self._count() == before:
            if monotonic_s() - begun_s > START_S:
                raise CommandError(f"{self.path}: no frame was taken in {START_S:g} s")
            sleep(SLICE_S)
        sleep(WARM_S)
        used = [use_of_process(pid).cpu_ms for pid in self._pids]
        first, begun_ns = self._count(), perf_counter_ns()
        taken, at_ns, slices = first, begun_ns, []
        for _ in range(samples):
            sleep(SLICE_S)
            now, now_ns = self._count(), perf_counter_ns()
            if now > taken:  # else the next slice is a longer one
                slices.append((now_ns - at_ns) // (now - taken))
                taken, at_ns = now, now_ns
        own, of_redis = (
            use_of_process(pid).cpu_ms - before_ms
            for pid, before_ms in zip(self._pids, used, strict=True)
        )
        self._client.set(FLOW, "")
        self.slices.append(slices)
        self.frames += taken - first
        self.took_ns += at_ns - begun_ns
        self.own_ns.append(int(own * NS_PER_MS) // (taken - first))
        self.redis_ns.append(int(of_redis * NS_PER_MS) // (taken - first))
        sleep(WARM_S)

    def _count(self) -> int:
        return published(self._client.xrevrange(self._stream, count=1))


def _figure(feed: Half, bare: Half, state: dict[str, Any]) -> Measured:
    parse = state["hop_ms"]["feed_parse"]
    return measured(
        "feed process, a frame",
        "the feed: socket to Redis, a frame in turn",
        "websockets, json.loads and an XADD for each frame",
        [Round(*pair) for pair in zip(feed.slices, bare.slices, strict=True)],
        parts={
            "processor time of the feed": feed.own_ns,
            "  of Redis meanwhile": feed.redis_ns,
            "processor time of the floor": bare.own_ns,
            "  of Redis meanwhile, floor": bare.redis_ns,
        },
        quantities={
            "feed_parse (receipt to published), p50 ms": parse["p50"],
            "feed_parse (receipt to published), p99 ms": parse["p99"],
        },
        rate_per_s=feed.frames * 1e9 / feed.took_ns,
    )


async def state_of(feed: Child) -> dict[str, Any]:
    """What `/state` says. Books that did not verify would mean that less work was measured."""
    async with open_http() as http:
        state = (await ControlClient(http, feed.spec.url, _TOKEN).get("/state")).body
    books = state["books"]
    if state["unusable"] or books["books_mismatched"] or not books["change_hashes_verified"]:
        raise CommandError(f"the feed did not understand the frames: {state['unusable']} {books}")
    return {**state}
