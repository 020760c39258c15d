"""Hostile frames from a venue: the parsers survive all of them, count them, and lose no fill.

The named cases lie beside the repository, in `../shared/cases/frames.json`.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmcore.venue.encode import book_frame
from pmcore.venue.fields import natural_of
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.user_frames import UserFrameParser
from support.builders import window
from support.recordings import recordings_root

RECV = 1_790_000_000 * NS_PER_S
OUR_KEY = "our-key"
OUR_WALLET = "0x00000000000000000000000000000000000000aa"
WINDOW = window()


def case(name: str) -> dict[str, Any]:
    path = recordings_root().parent / "cases" / "frames.json"
    if not path.exists():
        pytest.skip(f"no {path}: the failing inputs lie beside the repository")
    return next(one for one in json.loads(path.read_text()) if one["name"] == name)


def user_parser() -> UserFrameParser:
    return UserFrameParser(api_key=OUR_KEY, maker_addresses=frozenset({OUR_WALLET}))


def only_fill(name: str) -> tuple[FillReported, UserFrameParser]:
    parser = user_parser()
    (fill,) = parser.parse(json.dumps(case(name)["frame"]), ts_recv_ns=RECV)
    assert isinstance(fill, FillReported)
    return fill, parser


@pytest.mark.recordings
def test_own_fill_amount_with_float_noise() -> None:
    fill, parser = only_fill("own_fill_amount_with_float_noise")
    assert (fill.size_u6, fill.price_e4, parser.doubts) == (5_000_000, 4_000, 0)


@pytest.mark.recordings
def test_own_fill_price_as_json_number_with_noise() -> None:
    fill, parser = only_fill("own_fill_price_as_json_number_with_noise")
    assert (fill.size_u6, fill.price_e4, parser.doubts) == (5_000_000, 3_000, 0)


@pytest.mark.recordings
def test_own_fill_timestamp_zero() -> None:
    fill, parser = only_fill("own_fill_timestamp_zero")
    assert (fill.size_u6, fill.ts_event_ns, parser.unusable) == (5_000_000, RECV, {})


@pytest.mark.recordings
def test_own_fill_where_we_are_the_taker() -> None:
    fill, parser = only_fill("own_fill_where_we_are_the_taker")
    assert (fill.order_hash, fill.token_id) == ("0x77", "222")
    assert (fill.price_e4, fill.size_u6) == (6_000, 10_000_000)
    assert list(parser.taken) == ["0x77"]


@pytest.mark.recordings
def test_own_order_event_of_unknown_kind() -> None:
    """It is counted, and what is counted sends userws to REST.

    The executor's comparison frees the slot (test_unaccounted_fills.py, vanished).
    """
    parser = user_parser()
    frame = case("own_order_event_of_unknown_kind")["frame"]
    assert parser.parse(json.dumps(frame), ts_recv_ns=RECV) == []
    assert parser.unusable == {"unknown_event": 1}


@pytest.mark.recordings
def test_market_frame_cut_in_the_middle() -> None:
    parser, books = MarketFrameParser(WINDOW), WindowBooks(WINDOW)
    for outcome in Outcome:
        whole = book_frame(
            WINDOW,
            outcome,
            bids=[(4_800, 10_000_000)],
            asks=[(5_200, 10_000_000)],
            ts_event_ns=RECV,
            tick_e4=WINDOW.tick_e4,
            last_trade="",
        )
        for message in parser.parse(json.dumps(whole), ts_recv_ns=RECV):
            assert isinstance(message, BookSnapshot)
            books.apply(message)
    assert {books.state(outcome) for outcome in Outcome} == {BookState.LIVE}
    raw = case("market_frame_cut_in_the_middle")["raw"]
    for message in parser.parse(raw, ts_recv_ns=RECV):
        assert isinstance(message, BookDelta)
        books.apply(message)
    assert {books.state(outcome) for outcome in Outcome} == {BookState.GAP}


ENTRY = {
    "order_id": "0x01",
    "owner": OUR_KEY,
    "maker_address": OUR_WALLET,
    "matched_amount": "5",
    "price": "0.4",
    "asset_id": "111",
    "side": "BUY",
}
TRADE = {
    "event_type": "trade",
    "type": "TRADE",
    "id": "t-1",
    "market": "0xc0",
    "asset_id": "222",
    "side": "BUY",
    "size": "10",
    "price": "0.6",
    "status": "MATCHED",
    "taker_order_id": "0x77",
    "timestamp": "1790000000123",
    "maker_orders": [ENTRY],
}


@pytest.mark.parametrize(
    ("trade", "entry"),
    [
        ({"status": "SOMETHING_NEW"}, {}),
        ({"id": None}, {}),
        ({"market": 7}, {}),
        ({"maker_orders": []}, {}),
        ({"maker_orders": "none"}, {}),
        ({}, {"matched_amount": "5.0000001"}),
        ({}, {"matched_amount": "0"}),
        ({}, {"matched_amount": "1e999999"}),
        ({}, {"matched_amount": "NaN"}),
        ({}, {"price": "0.40001"}),
        ({}, {"price": -0.4}),
        ({}, {"order_id": ""}),
        ({}, {"side": "HOLD"}),
    ],
)
def test_a_fill_of_ours_that_cannot_be_read_is_a_doubt(trade: Any, entry: Any) -> None:
    parser = user_parser()
    frame = {**TRADE, "maker_orders": [{**ENTRY, **entry}], **trade}
    assert parser.parse(json.dumps(frame), ts_recv_ns=RECV) == []
    assert parser.doubts == 1
    assert sum(parser.unusable.values()) == 1


@pytest.mark.parametrize("raw", ['{"event_type":"trade","maker_or', "[{", b'{"a":\xff}'])
def test_a_user_frame_cut_in_the_middle_is_a_doubt(raw: str | bytes) -> None:
    parser = user_parser()
    assert parser.parse(raw, ts_recv_ns=RECV) == []
    assert parser.doubts == 1


@pytest.mark.parametrize("raw", ["PONG", "hello", "[]", '{"event_type":"news"}'])
def test_what_cannot_be_a_fill_is_no_doubt(raw: str) -> None:
    parser = user_parser()
    assert parser.parse(raw, ts_recv_ns=RECV) == []
    assert parser.doubts == 0


HOSTILE = st.sampled_from(
    [
        "9" * 5_000,
        "-" + "9" * 5_000,
        "\N{SUPERSCRIPT TWO}",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "1e999999999",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "Infinity",
        "1_000",
        "",
        10**30,
        -(10**30),
        1e308,
        5e-324,
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | HOSTILE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
MARKET_FIELDS = [
    *("timestamp", "hash", "bids", "asks", "price", "size", "side", "tick_size"),
    *("last_trade_price", "new_tick_size", "price_changes", "transaction_hash"),
]
USER_FIELDS = ["owner", "trader_side", "maker_address", "original_size", "size_matched"]
MARKET_FRAMES = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(
            ["book", "price_change", "last_trade_price", "tick_size_change", "new_market"]
        ),
        "market": st.just(WINDOW.condition_id) | VALUES,
        "asset_id": st.sampled_from([WINDOW.up_token_id, WINDOW.down_token_id]) | VALUES,
    },
    optional=dict.fromkeys(MARKET_FIELDS, VALUES),
)
USER_FRAMES = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["trade", "order", "else"]),
        "type": st.sampled_from(["TRADE", "PLACEMENT", "UPDATE", "CANCELLATION", "EXPIRATION"]),
    },
    optional={
        **{name: st.just(value) | VALUES for name, value in TRADE.items() if "type" not in name},
        **dict.fromkeys(USER_FIELDS, VALUES),
    },
)


def encoded(frame: object) -> bytes:
    try:
        return msgspec.json.encode(frame)
    except (msgspec.MsgspecError, OverflowError, ValueError):
        return json.dumps(frame).encode()


@given(st.lists(MARKET_FRAMES, max_size=3) | MARKET_FRAMES | VALUES, st.integers(0, 400))
def test_no_market_frame_breaks_the_parser(frame: object, cut: int) -> None:
    parser = MarketFrameParser(WINDOW)
    raw = encoded(frame)
    for part in (raw, raw[:cut], raw.decode(errors="replace")):
        for message in parser.parse(part, ts_recv_ns=RECV):
            assert message.slug == WINDOW.slug
    assert parser.frames == 3


@given(st.lists(USER_FRAMES, max_size=3) | USER_FRAMES | VALUES, st.integers(0, 400))
def test_no_user_frame_breaks_the_parser(frame: object, cut: int) -> None:
    parser = user_parser()
    raw = encoded(frame)
    for part in (raw, raw[:cut], raw.decode(errors="replace")):
        for message in parser.parse(part, ts_recv_ns=RECV):
            assert isinstance(message, FillReported | OrderUpdated)
    assert parser.frames == 3


@given(st.text() | HOSTILE.map(str))
def test_a_natural_number_is_read_or_refused_and_never_raises(text: str) -> None:
    number = natural_of(text)
    assert number is None or str(number) == (text.lstrip("0") or "0")
