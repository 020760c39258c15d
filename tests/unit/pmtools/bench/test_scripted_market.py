"""The scripted market is one that the engine believes, and that moves it with each frame."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.book import WindowBooks
from pmcore.messages.execution import (
    OrderAccepted,
    OrderCancelled,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState, FeedStatusChanged, UnderlyingPriced
from pmcore.messages.notices import Notice
from pmcore.messages.orders import (
    CancelOrders,
    CancelWindow,
    CommandMessage,
    MergePairs,
    SubmitOrder,
)
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Outcome
from pmcore.model.params import StrategyParams
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.recordings.reader import Recording
from pmtools.bench.scripted_market import (
    FIRST_MOVE_NS,
    MOVE_NS,
    OPENED_NS,
    scripted_windows,
    write_script,
)


def script(tmp_path: Path, *, windows: int = 1, moves: int = 6, still: bool = False) -> Recording:
    path = tmp_path / "script.jsonl"
    return Recording(write_script(path, scripted_windows(windows), moves, still=still))


def test_the_windows_are_known_from_the_recording_alone(tmp_path: Path) -> None:
    windows = script(tmp_path, windows=10).windows()
    expected = {window.slug: window for window in scripted_windows(10)}
    for window in windows:
        wanted = expected.pop(window.slug)
        assert (window.up_token_id, window.tick_e4) == (wanted.up_token_id, wanted.tick_e4)
        assert (window.min_size_u6, window.close_ns) == (wanted.min_size_u6, wanted.close_ns)
    assert not expected


@pytest.mark.parametrize("still", [False, True])
def test_every_book_and_change_has_its_hash(tmp_path: Path, *, still: bool) -> None:
    recording = script(tmp_path, still=still)
    (window,) = recording.windows()
    parser, books = MarketFrameParser(window), WindowBooks(window)
    for frame in recording.frames():
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
            assert not isinstance(message, FeedStatusChanged | UnderlyingPriced)
            assert not books.apply(message).gap
    counters = books.counters
    assert (counters.books_verified, counters.books_mismatched) == (2, 0)
    assert (counters.change_hashes_verified, counters.change_hashes_mismatched) == (12, 0)
    assert counters.touch_disagreements == 0


def test_in_a_still_market_the_touch_stays(tmp_path: Path) -> None:
    recording = script(tmp_path, still=True)
    (window,) = recording.windows()
    parser, books, touches = MarketFrameParser(window), WindowBooks(window), set()
    for frame in recording.frames():
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
            assert not isinstance(message, FeedStatusChanged | UnderlyingPriced)
            books.apply(message)
        if frame.recv_ns >= FIRST_MOVE_NS:
            touch = books.touch(Outcome.UP)
            touches.add((touch.bid_e4, touch.ask_e4))
    assert touches == {(4_900, 5_100)}


def test_frames_cancel_and_place_in_turn(tmp_path: Path) -> None:
    recording = script(tmp_path, moves=7)
    (window,) = recording.windows()
    parser = MarketFrameParser(window)
    engine = WindowEngine(window, StrategyParams(bid_size_u6=window.min_size_u6), "bench")
    commands: list[tuple[int, list[str]]] = []

    def decide(at_ns: int) -> None:
        outputs = [*engine.step(at_ns, Tick()), *engine.step(at_ns, BatchEnded())]
        sent = [one for one in outputs if not isinstance(one, Notice)]
        if sent:
            commands.append((at_ns, [type(one).__name__ for one in sent]))
        for answer in chain.from_iterable(_answers(one, at_ns) for one in sent):
            engine.step(at_ns, answer)

    for ready in (
        FeedStatusChanged(slug=window.slug, state=FeedState.LIVE, ts_recv_ns=OPENED_NS),
        UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=OPENED_NS),
        PlacingGateChanged(open=True, ts_recv_ns=OPENED_NS),
    ):
        engine.step(OPENED_NS, ready)
    for frame in recording.frames():
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
            engine.step(frame.recv_ns, message)
        decide(frame.recv_ns)
    by_frames = [(at_ns - FIRST_MOVE_NS, names) for at_ns, names in commands][2:]
    both, cancel = ["SubmitOrder", "SubmitOrder"], ["CancelOrders"]
    assert by_frames == [(n * MOVE_NS, both if n % 2 else cancel) for n in range(7)]


def _answers(command: CommandMessage, at_ns: int) -> list[EngineEvent]:
    """What the executor says when the venue does what it is told."""
    match command:
        case MergePairs():
            raise AssertionError("nothing is merged here")
        case CancelWindow():
            return [WindowFlat(slug=command.slug, ts_exec_ns=at_ns)]
        case CancelOrders():
            return [
                OrderCancelled(
                    slug=command.slug,
                    client_order_id=order_id,
                    order_hash=order_hash,
                    filled_u6=0,
                    ts_exec_ns=at_ns,
                )
                for order_id, order_hash in zip(
                    command.client_order_ids, command.order_hashes, strict=True
                )
            ]
        case SubmitOrder():
            named: dict[str, Any] = {
                "slug": command.slug,
                "client_order_id": command.client_order_id,
                "order_hash": f"0x{command.client_order_id}",
                "ts_exec_ns": at_ns,
            }
            return [OrderSubmitting(**named), OrderAccepted(**named)]
