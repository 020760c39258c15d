"""What a market frame costs the feed and the strategy's engine, beside `json.loads` of its bytes.

Only the pure parts: no socket, no Redis, no event loop. Rates are of a core's time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter_ns, thread_time_ns

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.book import WindowBooks
from pmcore.messages.execution import WindowFlat
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import (
    FeedState,
    FeedStatusChanged,
    MarketDataMessage,
    UnderlyingPriced,
)
from pmcore.messages.timers import BatchEnded
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Window
from pmcore.model.params import StrategyParams
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.wire import codec
from pmsim.recordings.rows import RawFrame
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.recordings import recording_of

FRAMES = 20_000
"""Of a recording at the most; then it begins again, with new books."""
_FLOOR = "json.loads of the frame"

Work = Callable[[RawFrame, list[MarketDataMessage]], object]


def measure_feed(file: Path | None, rounds: int, samples: int) -> list[Measured]:
    """A frame parsed, its books and hashes checked, its messages encoded; a round has samples."""

    def make(window: Window) -> Work:
        parser, books = MarketFrameParser(window), WindowBooks(window)

        def take(frame: RawFrame, _: list[MarketDataMessage]) -> None:
            for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
                if not isinstance(message, FeedStatusChanged | UnderlyingPriced):
                    books.apply(message)
                codec.encode(message)

        return take

    path = "feed: parse, books, hashes, encode"
    return [_measure("feed, a frame", path, make, file, rounds, samples)]


def measure_engine(file: Path | None, rounds: int, samples: int) -> list[Measured]:
    """The strategy's engine: a frame's messages, already decoded, and one decision."""

    def make(window: Window) -> Work:
        params = StrategyParams(bid_size_u6=window.min_size_u6)
        engine = WindowEngine(window, params, "bench")
        begun = False

        def take(frame: RawFrame, messages: list[MarketDataMessage]) -> None:
            nonlocal begun
            at_ns = frame.recv_ns
            if not begun:
                begun = True
                live = FeedStatusChanged(slug=window.slug, state=FeedState.LIVE, ts_recv_ns=at_ns)
                engine.step(at_ns, live)
                up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at_ns)
                engine.step(at_ns, up)
                engine.step(at_ns, WindowFlat(slug=window.slug, ts_exec_ns=at_ns))
                engine.step(at_ns, PlacingGateChanged(open=True, ts_recv_ns=at_ns))
            for message in messages:
                engine.step(at_ns, message)
            engine.step(at_ns, BatchEnded())

        return take

    path = "engine: a frame's messages and a decision"
    return [_measure("engine, a frame", path, make, file, rounds, samples)]


def _measure(
    name: str,
    path: str,
    make: Callable[[Window], Work],
    file: Path | None,
    rounds: int,
    samples: int,
) -> Measured:
    with recording_of(file, min(FRAMES, rounds * samples)) as recording:
        window = recording.windows()[0]
        frames = list(islice(recording.frames(), FRAMES))
    parser = MarketFrameParser(window)
    parsed = [(frame, parser.parse(frame.raw, ts_recv_ns=frame.recv_ns)) for frame in frames]
    of_window = [pair for pair in parsed if pair[1]]
    work = make(window)
    found: list[Round] = []
    used_ns = 0
    taken = cycle(of_window)
    for number in range(rounds * samples):
        if number % len(of_window) == 0:
            work = make(window)
        if number % samples == 0:
            found.append(Round())
        frame, messages = next(taken)
        used_ns -= thread_time_ns()
        called_ns = perf_counter_ns()
        work(frame, messages)
        done_ns = perf_counter_ns()
        used_ns += thread_time_ns()
        begun_ns = perf_counter_ns()
        json.loads(frame.raw)
        found[-1].floor_ns.append(perf_counter_ns() - begun_ns)
        found[-1].path_ns.append(done_ns - called_ns)
    rate = rounds * samples * 1e9 / used_ns
    return measured(name, path, _FLOOR, found, rate_per_s=rate)
