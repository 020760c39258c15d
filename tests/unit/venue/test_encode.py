"""What the simulator writes is what the parsers read, in the venue's own shape."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, Protocol, TakerSide
from pmcore.venue import encode
from pmcore.venue.fields import JsonObject
from pmcore.venue.market_frames import MarketFrameParser
from support.builders import DOWN_TOKEN, T0_NS, window
from support.venue_books import ASKS, BIDS, bid

WINDOW = window(tick="0.01")
V2_WINDOW = msgspec.structs.replace(WINDOW, protocol=Protocol.V2)


def read(frame: JsonObject) -> object:
    parser = MarketFrameParser(WINDOW)
    (message,) = parser.parse(encode.to_text(frame), ts_recv_ns=T0_NS)
    assert parser.unusable == {}
    return message


@pytest.mark.parametrize("target", [WINDOW, V2_WINDOW])
@pytest.mark.parametrize("last_trade", ["", "0.490"])
def test_a_subscribe_book_verifies(target: object, last_trade: str) -> None:
    assert target in (WINDOW, V2_WINDOW)
    window_ = WINDOW if target == WINDOW else V2_WINDOW
    frame = encode.book_frame(
        window_,
        Outcome.UP,
        bids=BIDS[::-1],
        asks=ASKS[::-1],
        ts_event_ns=T0_NS,
        tick_e4=100,
        last_trade=last_trade,
    )
    assert frame.get("version") == ("v2" if window_ is V2_WINDOW else None)
    message = read(frame)
    assert isinstance(message, BookSnapshot)
    assert (message.bids, message.asks) == (BIDS, ASKS)
    books = WindowBooks(window_)
    books.apply(message)
    assert books.counters.books_verified == 1


def test_a_book_after_a_trade_verifies_with_the_print() -> None:
    frame = encode.trade_book_frame(
        WINDOW, Outcome.UP, bids=BIDS, asks=ASKS, ts_event_ns=T0_NS, tick_e4=100, last_trade="0.490"
    )
    message = read(frame)
    assert isinstance(message, BookSnapshot)
    assert message.origin is SnapshotOrigin.TRADE
    books = WindowBooks(WINDOW, search_last_trade=True)
    assert books.apply(message).unseen_trade_e4 == 4900
    unhashed = encode.trade_book_frame(
        WINDOW,
        Outcome.UP,
        bids=BIDS,
        asks=ASKS,
        ts_event_ns=T0_NS,
        tick_e4=100,
        last_trade=None,
    )
    assert unhashed["hash"] == ""


def test_price_changes_carry_both_outcomes() -> None:
    change = bid(4800, 7_000_000, "ab", touch=(4900, 5100))
    mirrored = encode.mirrored_change(change, hash_="cd", best_bid_e4=4900)
    assert mirrored == LevelChange(Outcome.DOWN, BookSide.ASK, 5200, 7_000_000, "cd", 4900, None)
    assert encode.mirrored_change(mirrored, hash_="ab").side is BookSide.BID
    frame = encode.price_change_frame(WINDOW, (change, mirrored), ts_event_ns=T0_NS)
    message = read(frame)
    assert isinstance(message, BookDelta)
    assert message.changes == (change, mirrored)


def test_trades_and_ticks() -> None:
    trade = read(
        encode.trade_frame(
            WINDOW,
            Outcome.DOWN,
            taker_side=TakerSide.SELL,
            price_e4=5150,
            size_u6=1_234_560,
            ts_event_ns=T0_NS,
            transaction_hash="0x1",
        )
    )
    assert isinstance(trade, TradePrinted)
    assert (trade.outcome, trade.taker_side, trade.price_e4, trade.size_u6) == (
        Outcome.DOWN,
        TakerSide.SELL,
        5150,
        1_234_560,
    )
    tick = read(
        encode.tick_size_frame(
            WINDOW, Outcome.UP, old_tick_e4=100, new_tick_e4=10, ts_event_ns=T0_NS
        )
    )
    assert isinstance(tick, TickSizeChanged)
    assert tick.new_tick_e4 == 10


def test_events_that_drive_nothing() -> None:
    frames = [
        encode.best_bid_ask_frame(
            WINDOW, Outcome.UP, best_bid_e4=4900, best_ask_e4=5100, ts_event_ns=T0_NS
        ),
        encode.best_bid_ask_frame(
            WINDOW, Outcome.UP, best_bid_e4=None, best_ask_e4=None, ts_event_ns=T0_NS
        ),
        encode.market_resolved_frame(WINDOW, Outcome.DOWN, ts_event_ns=T0_NS),
    ]
    parser = MarketFrameParser(WINDOW)
    for frame in frames:
        assert parser.parse(encode.to_text(frame), ts_recv_ns=1) == []
    assert (parser.ignored, parser.unusable) == (3, {})
    assert [(frame["best_bid"], frame["best_ask"], frame["spread"]) for frame in frames[:2]] == [
        ("0.49", "0.51", "0.02"),
        ("0", "1", "1"),
    ]
    assert (frames[2]["winning_asset_id"], frames[2]["winning_outcome"]) == (DOWN_TOKEN, "Down")


def test_later_frames_have_a_space_between_their_members() -> None:
    frame: JsonObject = {"a": "1", "b": ["2", "3"]}
    assert encode.spaced_text(frame) == '{"a":"1", "b":["2", "3"]}'
    assert msgspec.json.decode(encode.spaced_text(frame)) == frame
