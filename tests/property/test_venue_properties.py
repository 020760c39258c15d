"""Parsers survive anything; what is written is read back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    LevelChange,
    UnderlyingPriced,
)
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import BookSide, Outcome
from pmcore.venue.encode import book_frame, price_change_frame, to_text
from pmcore.venue.listings import parse_clob_market, parse_gamma_market, winner_of
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.rest_models import (
    classify_error,
    parse_book,
    parse_cancel_response,
    parse_open_orders_page,
    parse_post_order_response,
)
from pmcore.venue.user_frames import UserFrameParser
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, UP_TOKEN, window
from support.venue_books import cent_window

WINDOW = window(tick="0.01")
WORDS = st.sampled_from(
    [
        "book", "price_change", "last_trade_price", "tick_size_change", "trade", "order", "TRADE",
        "PLACEMENT", "BUY", "SELL", "MATCHED", "0.5", "0.455", "-1", "1e3", "", "v2", "key",
        CONDITION, UP_TOKEN, DOWN_TOKEN, "1790766900123", '["Up", "Down"]', f'["{UP_TOKEN}", "2"]',
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "event_type", "market", "asset_id", "timestamp", "hash", "bids", "asks", "price", "size",
        "side", "price_changes", "tick_size", "new_tick_size", "last_trade_price", "type", "id",
        "status", "maker_orders", "owner", "order_id", "matched_amount", "slug", "conditionId",
        "clobTokenIds", "outcomes", "outcomePrices", "closed", "t", "o", "data", "error", "code",
        "canceled", "not_canceled", "version", "endDate", "success", "orderID", "errorMsg",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=25,
)
SPOILT = st.dictionaries(KEYS, JSON, max_size=4).map(
    lambda changes: {
        "event_type": "book",
        "market": CONDITION,
        "asset_id": UP_TOKEN,
        "timestamp": "1790766900123",
        "bids": [],
        "asks": [],
        **changes,
    }
)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_parsers_never_raise_on_noise(raw: bytes | str) -> None:
    market = MarketFrameParser(WINDOW)
    user = UserFrameParser(api_key="key", maker_addresses=frozenset())
    market.parse(raw, ts_recv_ns=T0_NS)
    user.parse(raw, ts_recv_ns=T0_NS)


@given(st.lists(JSON | SPOILT, max_size=4))
def test_parsers_never_raise_on_json_and_books_take_what_they_make(values: list[Any]) -> None:
    market = MarketFrameParser(WINDOW)
    user = UserFrameParser(api_key="key", maker_addresses=frozenset())
    books = WindowBooks(WINDOW, search_last_trade=False)
    for value in values:
        raw = json.dumps(value)
        user.parse(raw, ts_recv_ns=T0_NS)
        for message in market.parse(raw, ts_recv_ns=T0_NS):
            if isinstance(message, FeedStatusChanged | UnderlyingPriced):
                continue
            books.apply(message)
    for outcome in Outcome:
        touch = books.touch(outcome)
        if books.state(outcome) is BookState.LIVE and None not in (touch.bid_e4, touch.ask_e4):
            assert 0 < (touch.bid_e4 or 0) < (touch.ask_e4 or 0) < 10_000


@given(JSON, st.integers(100, 599))
def test_rest_parsers_raise_nothing_but_malformed_input(value: Any, status: int) -> None:
    classify_error(status, value)
    for parse in (
        parse_gamma_market,
        parse_clob_market,
        winner_of,
        parse_open_orders_page,
        parse_post_order_response,
        parse_cancel_response,
        lambda body: parse_book(WINDOW, body, ts_recv_ns=1),
    ):
        with suppress(MalformedInputError):
            parse(value)


PRICES = st.integers(1, 99).map(lambda cents: cents * 100)
LEVELS = st.dictionaries(PRICES, st.integers(1, 10**12), max_size=30).map(
    lambda levels: tuple(sorted(levels.items()))
)


@given(LEVELS, LEVELS, st.sampled_from(Outcome), st.integers(0, 10**7))
def test_books_survive_the_wire_and_verify(
    bids: tuple[tuple[int, int], ...],
    asks: tuple[tuple[int, int], ...],
    outcome: Outcome,
    offset_ms: int,
) -> None:
    frame = book_frame(
        cent_window(),
        outcome,
        bids=bids,
        asks=asks,
        ts_event_ns=T0_NS + offset_ms * 1_000_000,
        tick_e4=100,
        last_trade="0.500",
    )
    (message,) = MarketFrameParser(cent_window()).parse(to_text(frame), ts_recv_ns=1)
    assert isinstance(message, BookSnapshot)
    assert (message.bids, message.asks) == (bids, asks[::-1])
    books = WindowBooks(cent_window())
    books.apply(message)
    assert books.counters.books_verified == 1


CHANGES = st.lists(
    st.builds(
        LevelChange,
        st.sampled_from(Outcome),
        st.sampled_from(BookSide),
        PRICES,
        st.integers(0, 10**12),
        st.text("0123456789abcdef", min_size=40, max_size=40),
        st.none() | st.integers(0, 10_000),
        st.none() | st.integers(0, 10_000),
    ),
    min_size=1,
    max_size=5,
).map(tuple)


@given(CHANGES)
def test_price_changes_survive_the_wire(changes: tuple[LevelChange, ...]) -> None:
    frame = price_change_frame(cent_window(), changes, ts_event_ns=T0_NS)
    (message,) = MarketFrameParser(cent_window()).parse(to_text(frame), ts_recv_ns=1)
    assert isinstance(message, BookDelta)
    assert message.changes == changes
    assert message.damaged == ()
