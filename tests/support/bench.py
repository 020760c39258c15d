"""`make bench`: what the hot paths cost on this machine, from a frame to a decision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import httpx

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.book import WindowBooks
from pmcore.messages.execution import WindowFlat
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedStatusChanged, MarketDataMessage, UnderlyingPriced
from pmcore.messages.timers import BatchEnded
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Window, parse_series
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.wire import codec
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame
from support.running_venue import synthetic_venue

START_NS = 1_790_766_900 * NS_PER_S
FRAMES = 20_000
STEP_NS = 50 * NS_PER_MS
REQUESTS = 1_000

Item = TypeVar("Item")
Result = TypeVar("Result")


def frames_of_a_window() -> tuple[Window, list[MarketFrame]]:
    """The first frames of a seeded market, as the feed would receive them."""
    series = (parse_series("btc-updown-15m"),)
    venue = SyntheticVenue(SyntheticParams(series=series, seed=7, start_ns=START_NS))
    window = venue.listings()[0].window
    frames: list[MarketFrame] = []
    while len(frames) < FRAMES and venue.now_ns < window.close_ns:
        events = venue.advance(venue.now_ns + STEP_NS)
        frames += [event for event in events if isinstance(event, MarketFrame)]
    return window, [frame for frame in frames if frame.condition_id == window.condition_id]


def timed(what: str, items: Iterable[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Do `work` on each item; print the median and the 99th percentile."""
    costs_ns, results = [], []
    for item in items:
        before = time.perf_counter_ns()
        result = work(item)
        costs_ns.append(time.perf_counter_ns() - before)
        results.append(result)
    costs_ns.sort()
    last = len(costs_ns) - 1
    p50, p99 = costs_ns[last // 2] / 1e3, costs_ns[last * 99 // 100] / 1e3
    print(f"{what:38} p50 {p50:8.1f} µs   p99 {p99:8.1f} µs   n {len(costs_ns)}")
    return results


def bench_engine(window: Window, messages: Sequence[MarketDataMessage]) -> None:
    """The engine's steps: one market event, then one decision."""
    engine = WindowEngine(window, StrategyParams(), "bench")
    engine.step(START_NS, UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=START_NS))
    engine.step(START_NS, WindowFlat(slug=window.slug, ts_exec_ns=START_NS))
    engine.step(START_NS, PlacingGateChanged(open=True, ts_recv_ns=START_NS))
    timed("the engine takes a market event", messages, lambda one: engine.step(one.ts_recv_ns, one))
    engine = WindowEngine(window, StrategyParams(), "bench")
    engine.step(START_NS, UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=START_NS))
    engine.step(START_NS, WindowFlat(slug=window.slug, ts_exec_ns=START_NS))
    engine.step(START_NS, PlacingGateChanged(open=True, ts_recv_ns=START_NS))

    def event_and_decision(one: MarketDataMessage) -> None:
        engine.step(one.ts_recv_ns, one)
        engine.step(one.ts_recv_ns, BatchEnded())

    timed("the same, and decides", messages, event_and_decision)


def bench_request() -> None:
    """A request on a kept connection to the simulator, there and back; plain asyncio serves it."""
    with synthetic_venue() as venue, httpx.Client(base_url=venue.url) as http:
        http.get("/time")
        timed("a request's round trip, kept alive", range(REQUESTS), lambda _: http.get("/time"))


def main() -> None:
    """Print one line for each hot path."""
    window, frames = frames_of_a_window()
    parser = MarketFrameParser(window)
    parsed = timed(
        "parse a frame",
        frames,
        lambda frame: parser.parse(frame.text, ts_recv_ns=frame.at_ns),
    )
    messages = [message for found in parsed for message in found]
    bodies = timed("encode a message", messages, codec.encode)
    timed("decode a message", bodies, codec.decode)
    books = WindowBooks(window)
    of_the_books = [
        one for one in messages if not isinstance(one, FeedStatusChanged | UnderlyingPriced)
    ]
    timed("apply to the books, hashes verified", of_the_books, books.apply)
    bench_engine(window, messages)
    bench_request()


if __name__ == "__main__":
    main()
