"""Market frames: what is understood, what is counted, and what a bad piece may not do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    LevelChange,
    MarketDataMessage,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, TakerSide
from pmcore.venue import market_frames
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.unusable import SAMPLES_KEPT
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, window
from support.frames import (
    Frame,
    book_frame,
    change_frame,
    entry,
    text,
    tick_frame,
    trade_frame,
    without,
)

WINDOW = window(tick="0.01")
STAMP_NS = T0_NS + 123_000_000
RECV = T0_NS + 200_000_000


def parse(*values: Any) -> tuple[list[MarketDataMessage], MarketFrameParser]:
    parser = MarketFrameParser(WINDOW)
    messages = [
        message for value in values for message in parser.parse(text(value), ts_recv_ns=RECV)
    ]
    return messages, parser


def only(*values: Any) -> MarketDataMessage:
    messages, parser = parse(*values)
    assert parser.unusable == {}
    assert parser.events == len(messages) == 1
    return messages[0]


def test_a_subscribe_book_becomes_a_snapshot_best_last() -> None:
    assert only(book_frame()) == BookSnapshot(
        slug=WINDOW.slug,
        outcome=Outcome.UP,
        bids=((4800, 20_250_000), (4900, 10_000_000)),
        asks=((5200, 7_000_000), (5100, 3_000_000)),
        hash="ab" * 20,
        origin=SnapshotOrigin.SUBSCRIBE,
        tick_e4=100,
        last_trade="",
        ts_event_ns=STAMP_NS,
        ts_recv_ns=RECV,
    )


def test_levels_are_sorted_whatever_order_they_come_in() -> None:
    frame = book_frame()
    turned = book_frame(bids=frame["bids"][::-1], asks=frame["asks"][::-1])
    assert only(turned) == only(frame)


def test_a_book_after_a_trade_has_neither_tick_nor_last_trade() -> None:
    message = only(without(book_frame(), "tick_size", "last_trade_price"))
    assert isinstance(message, BookSnapshot)
    assert (message.origin, message.tick_e4, message.last_trade) == (
        SnapshotOrigin.TRADE,
        None,
        None,
    )


def test_a_book_without_an_event_type_is_from_rest() -> None:
    message = only(without(book_frame(min_order_size="5", neg_risk=False), "event_type"))
    assert isinstance(message, BookSnapshot)
    assert message.origin is SnapshotOrigin.REST


def test_a_frame_may_be_a_list_of_events() -> None:
    messages, parser = parse([book_frame(), book_frame(asset_id=DOWN_TOKEN)])
    assert [message.outcome for message in messages if isinstance(message, BookSnapshot)] == [
        Outcome.UP,
        Outcome.DOWN,
    ]
    assert (parser.frames, parser.events) == (1, 2)


def test_price_changes_of_both_outcomes_stay_in_wire_order() -> None:
    mirrored = entry(asset_id=DOWN_TOKEN, price="0.54", side="sell", best_bid="0", best_ask="")
    assert only(change_frame(entry(), mirrored)) == BookDelta(
        slug=WINDOW.slug,
        changes=(
            LevelChange(Outcome.UP, BookSide.BID, 4600, 918_340_000, "cd" * 20, 4900, 5100),
            LevelChange(Outcome.DOWN, BookSide.ASK, 5400, 918_340_000, "cd" * 20, 0, None),
        ),
        ts_event_ns=STAMP_NS,
        ts_recv_ns=RECV,
    )


@pytest.mark.parametrize(
    "frame",
    [
        change_frame(entry(), entry(asset_id=DOWN_TOKEN, price="0.54", side="SELL")),
        change_frame(entry(best_bid="", best_ask="0")),
        change_frame(entry(side="sell")),
        change_frame(entry(side="HOLD")),
        change_frame(entry(price="0.465")),
        change_frame(entry(price="1")),
        change_frame(entry(size="-1")),
        change_frame(entry(), entry(asset_id="7")),
        change_frame(entry(), without(entry(), "hash")),
        change_frame(entry(), entry(price=0.46)),
        change_frame(entry(best_ask="?")),
        change_frame(entry(), timestamp="soon"),
        change_frame(entry(), market="0x7"),
        change_frame(),
        change_frame(entry(), event_type="new_market", topic="price_change"),
    ],
)
def test_the_short_way_of_a_plain_change_says_what_the_careful_way_says(frame: Frame) -> None:
    """Bytes are always read the careful way."""
    short, careful = MarketFrameParser(WINDOW), MarketFrameParser(WINDOW)
    later = {**frame, "timestamp": str(int(STAMP_NS // 10**6) - 1)}
    for value in (frame, later):
        said = [
            parser.parse(raw, ts_recv_ns=RECV)
            for parser, raw in ((short, text(value)), (careful, text(value).encode()))
        ]
        assert said[0] == said[1]
    for name in ("frames", "events", "ignored", "backwards", "unusable"):
        assert getattr(short, name) == getattr(careful, name)


def test_an_unreadable_optional_touch_is_left_out() -> None:
    message = only(change_frame(entry(best_bid="?", best_ask=None)))
    assert isinstance(message, BookDelta)
    assert (message.changes[0].best_bid_e4, message.changes[0].best_ask_e4) == (None, None)


def test_a_trade_keeps_the_takers_token_and_side() -> None:
    assert only(trade_frame()) == TradePrinted(
        slug=WINDOW.slug,
        outcome=Outcome.DOWN,
        taker_side=TakerSide.BUY,
        price_e4=5100,
        size_u6=20_000_000,
        transaction_hash="0xabc",
        ts_event_ns=STAMP_NS,
        ts_recv_ns=RECV,
    )


def test_numbers_are_as_good_as_texts() -> None:
    as_text, as_number = (
        trade_frame(),
        trade_frame(price=0.51, size=20, timestamp=STAMP_NS // 10**6),
    )
    assert only(as_text) == only(as_number)
    message = only(book_frame(last_trade_price=0.5))
    assert isinstance(message, BookSnapshot)
    assert message.last_trade == "0.500"


def test_the_same_trade_twice_counts_once_but_trades_without_a_hash_are_kept() -> None:
    messages, parser = parse(trade_frame(), trade_frame(), trade_frame(size="21"))
    assert len(messages) == 2
    assert parser.unusable == {"duplicate_trade": 1}
    nameless = trade_frame(transaction_hash=None)
    assert len(parse(nameless, nameless)[0]) == 2


def test_the_memory_of_trades_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_frames, "_TRADES_REMEMBERED", 1)
    assert len(parse(trade_frame(), trade_frame(size="1"), trade_frame())[0]) == 3


def test_a_tick_size_change() -> None:
    assert only(tick_frame()) == TickSizeChanged(
        slug=WINDOW.slug,
        outcome=Outcome.UP,
        new_tick_e4=10,
        ts_event_ns=STAMP_NS,
        ts_recv_ns=RECV,
    )


@pytest.mark.parametrize("keepalive", ["PONG", "PING", "", " PONG\n", b"PONG", b"", b"\n"])
def test_keepalives_say_nothing(keepalive: str | bytes) -> None:
    parser = MarketFrameParser(WINDOW)
    assert parser.parse(keepalive, ts_recv_ns=RECV) == []
    assert parser.unusable == {}


@pytest.mark.parametrize("kind", ["new_market", "best_bid_ask", "market_resolved"])
def test_known_events_that_drive_nothing_are_ignored(kind: str) -> None:
    messages, parser = parse({"event_type": kind, "market": "0xother"})
    assert (messages, parser.unusable, parser.ignored) == ([], {}, 1)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("nonsense", "not_an_object"),
        ([1], "not_an_object"),
        ({"event_type": "surprise", "market": CONDITION}, "unknown_event"),
        ({"event_type": ["book"], "market": CONDITION}, "unknown_event"),
        ({"event_type": None}, "unknown_event"),
        ({"topic": "equity_prices", "payload": {}}, "other_channel"),
        (book_frame(market="0xother"), "foreign_market"),
        (book_frame(asset_id="77"), "foreign_token"),
        (trade_frame(asset_id="77"), "foreign_token"),
        (trade_frame(size=""), "trade_without_size"),
        (without(trade_frame(), "size"), "trade_without_size"),
        (trade_frame(size="0"), "trade_without_size"),
        (trade_frame(size="-1"), "bad_size"),
        (trade_frame(side="HOLD"), "bad_side"),
        (trade_frame(price="0.51234"), "bad_price"),
        (trade_frame(price="1"), "off_grid"),
        (trade_frame(timestamp=None), "bad_timestamp"),
        (trade_frame(timestamp="yesterday"), "bad_timestamp"),
        (change_frame(entry(asset_id="77")), "foreign_token"),
        (change_frame("entry"), "foreign_token"),
    ],
)
def test_what_cannot_be_used_is_counted_by_reason(frame: Any, reason: str) -> None:
    messages, parser = parse(frame)
    assert messages == []
    assert parser.unusable == {reason: 1}
    assert parser.samples[0].reason == reason
    assert parser.samples[0].raw == text(frame)[:500]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bids": [{"price": "0.48", "size": "-20"}]}, "bad_size"),
        ({"bids": [{"price": "0.48", "size": True}]}, "bad_size"),
        ({"asks": [{"price": "1.2", "size": "20"}]}, "bad_price"),
        ({"asks": [{"price": "0.51234", "size": "20"}]}, "bad_price"),
        ({"asks": [{"price": "0.5125", "size": "20"}]}, "off_grid"),
        ({"asks": [{"price": "0", "size": "20"}]}, "off_grid"),
        ({"asks": [{"price": "1", "size": "20"}]}, "off_grid"),
        ({"asks": [["0.51", "20"]]}, "bad_shape"),
        ({"asks": None}, "bad_shape"),
        ({"tick_size": "0.07"}, "bad_tick"),
        ({"last_trade_price": "?"}, "bad_price"),
        ({"timestamp": ""}, "bad_timestamp"),
        ({"timestamp": "0"}, "bad_timestamp"),
    ],
)
def test_one_bad_piece_makes_a_whole_book_unusable_and_says_so(changes: Frame, reason: str) -> None:
    messages, parser = parse(book_frame(**changes))
    assert parser.unusable == {reason: 1}
    assert messages == [
        BookSnapshot(
            slug=WINDOW.slug,
            outcome=Outcome.UP,
            bids=(),
            asks=(),
            hash="",
            origin=SnapshotOrigin.SUBSCRIBE,
            damaged=reason,
            ts_event_ns=RECV,
            ts_recv_ns=RECV,
        )
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": "-1"}, "bad_size"),
        ({"price": "0.455"}, "off_grid"),
        ({"price": "0"}, "off_grid"),
        ({"price": None}, "bad_price"),
        ({"side": None}, "bad_side"),
    ],
)
def test_a_bad_entry_is_left_out_and_its_book_marked(changes: Frame, reason: str) -> None:
    good = entry(asset_id=DOWN_TOKEN, price="0.54", side="SELL")
    messages, parser = parse(change_frame(entry(**changes), good, entry(**changes)))
    assert parser.unusable == {reason: 2}
    (message,) = messages
    assert isinstance(message, BookDelta)
    assert message.damaged == (Outcome.UP,)
    assert [change.outcome for change in message.changes] == [Outcome.DOWN]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (change_frame(entry(), timestamp="x"), "bad_timestamp"),
        (without(change_frame(), "price_changes"), "obsolete_shape"),
    ],
)
def test_an_unreadable_change_frame_marks_both_books(frame: Frame, reason: str) -> None:
    messages, parser = parse(frame)
    assert parser.unusable == {reason: 1}
    (message,) = messages
    assert isinstance(message, BookDelta)
    assert (message.changes, message.damaged) == ((), (Outcome.UP, Outcome.DOWN))


def test_finer_prices_pass_once_a_frame_has_shown_the_finer_grid() -> None:
    fine = change_frame(entry(price="0.455"))
    for opener in (
        tick_frame(),
        book_frame(tick_size="0.001"),
        book_frame(bids=[{"price": "0.455", "size": "1"}]),
    ):
        messages, parser = parse(opener, fine)
        assert parser.unusable == {}
        assert len(messages) == 2


def test_a_quarter_cent_market_keeps_its_own_grid() -> None:
    parser = MarketFrameParser(window(tick="0.0025"))
    fine = book_frame(bids=[{"price": "0.4975", "size": "1"}], tick_size="0.0025")
    assert len(parser.parse(text(fine), ts_recv_ns=RECV)) == 1
    assert parser.unusable == {}


def damaged_books(messages: object) -> bool:
    """Whether exactly one message says that both books are damaged."""
    assert isinstance(messages, list)
    return [getattr(one, "damaged", ()) for one in messages] == [tuple(Outcome)]


@pytest.mark.parametrize("raw", [b"\xff\xfe", "\ud800", "INVALID OPERATION"])
def test_what_is_not_json_is_counted(raw: str | bytes) -> None:
    parser = MarketFrameParser(WINDOW)
    assert parser.parse(raw, ts_recv_ns=RECV) == []
    assert parser.unusable == {"bad_json": 1}


@pytest.mark.parametrize("raw", ["{", "[" * 100_000, b' {"a', '{"a":1}garbage'])
def test_json_that_is_cut_off_damages_both_books(raw: str | bytes) -> None:
    parser = MarketFrameParser(WINDOW)
    assert damaged_books(parser.parse(raw, ts_recv_ns=RECV))
    assert parser.unusable == {"bad_json": 1}


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (without(book_frame(), "market"), "bad_shape"),
        (without(change_frame(entry()), "market"), "bad_shape"),
        (tick_frame(new_tick_size="0.3"), "bad_tick"),
        (tick_frame(new_tick_size=None), "bad_tick"),
        (tick_frame(timestamp="9" * 5_000), "bad_timestamp"),
    ],
)
def test_an_unusable_frame_that_may_be_about_our_books_damages_them(
    frame: Any, reason: str
) -> None:
    messages, parser = parse(frame)
    assert damaged_books(messages)
    assert parser.unusable == {reason: 1}


def test_a_huge_frame_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_frames, "MAX_FRAME_CHARS", 100)
    parser = MarketFrameParser(WINDOW)
    assert damaged_books(parser.parse(text(book_frame()).encode(), ts_recv_ns=RECV))
    assert parser.unusable == {"too_large": 1}


def test_samples_are_few_and_short() -> None:
    _, parser = parse(*["x" * 1_000] * 30)
    assert parser.unusable == {"not_an_object": 30}
    assert len(parser.samples) == SAMPLES_KEPT
    assert len(parser.samples[0].raw) == 500


def test_stamps_running_backwards_are_counted_and_change_nothing() -> None:
    messages, parser = parse(book_frame(), trade_frame(timestamp="1790000000000"))
    assert len(messages) == 2
    assert parser.backwards == 1


def test_one_parser_can_serve_several_windows() -> None:
    other = msgspec.structs.replace(WINDOW, slug="other", condition_id="0xother")
    parser = MarketFrameParser(WINDOW)
    parser.add(other)
    frames = [text(book_frame()), text(book_frame(market="0xother"))]
    slugs = [message.slug for frame in frames for message in parser.parse(frame, ts_recv_ns=RECV)]
    assert slugs == [WINDOW.slug, "other"]
