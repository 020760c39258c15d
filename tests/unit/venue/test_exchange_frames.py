"""Prices on an exchange's public stream, and the lines of our recorder."""

from __future__ import annotations

import pytest

from pmcore.messages.market_data import UnderlyingPriced
from pmcore.model.errors import MalformedInputError
from pmcore.model.units import DOLLAR_E8, NS_PER_MS
from pmcore.venue.encode import to_text
from pmcore.venue.exchange_frames import (
    MAX_FRAME_CHARS,
    ExchangePrice,
    book_ticker_frame,
    exchange_price_of,
    underlying_price_line,
)
from pmcore.venue.market_frames import MarketFrameParser
from support.builders import CONDITION, T0_NS, window

TICKER = '{"u":1,"s":"BTCUSDT","b":"71000.10000000","B":"3.1","a":"71000.11000000","A":"0.4"}'
TRADE = '{"e":"aggTrade","E":1790766901100,"s":"BTCUSDT","a":9,"p":"71000.25","T":1790766901000}'
FUTURES = (
    '{"e":"bookTicker","E":1790766901100,"s":"BTCUSDT","b":"71000","B":"1","a":"71001","A":"1"}'
)
MID_E8 = 7_100_010_500_000


@pytest.mark.parametrize(
    ("raw", "price"),
    [
        (TICKER, ExchangePrice(MID_E8)),
        (f'{{"stream":"btcusdt@bookTicker","data":{TICKER}}}', ExchangePrice(MID_E8)),
        (TRADE, ExchangePrice(7_100_025_000_000, 1_790_766_901_000 * NS_PER_MS)),
        (
            FUTURES,
            ExchangePrice(71_000 * DOLLAR_E8 + DOLLAR_E8 // 2, 1_790_766_901_100 * NS_PER_MS),
        ),
        ('{"result":null,"id":1}', None),
        ('{"e":"kline","s":"BTCUSDT","b":"1","a":"2"}', None),
    ],
)
def test_a_price_is_read_from_both_forms(raw: str, price: ExchangePrice | None) -> None:
    assert exchange_price_of(raw) == price


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("[1]", "not_an_object"),
        ("{", "bad_json"),
        (TRADE.replace("71000.25", "-1"), "bad_price"),
        (TRADE.replace("71000.25", "0"), "bad_price"),
        (TRADE.replace("71000.25", "99999999999999"), "bad_price"),
        (TRADE.replace('"71000.25"', "null"), "bad_price"),
        (TICKER.replace("71000.10", "71000.12"), "crossed"),
        (" " * MAX_FRAME_CHARS + TRADE, "too_large"),
    ],
)
def test_what_cannot_be_read_has_a_reason(raw: str, reason: str) -> None:
    with pytest.raises(MalformedInputError) as error:
        exchange_price_of(raw)
    assert error.value.reason == reason


def test_the_simulators_frame_is_read_back() -> None:
    assert exchange_price_of(to_text(book_ticker_frame("BTCUSDT", MID_E8, 7))) == (MID_E8, 0)


@pytest.mark.parametrize("ts_event_ns", [0, T0_NS])
def test_a_recorded_price_is_read_with_the_windows_frames(ts_event_ns: int) -> None:
    parser = MarketFrameParser(window())
    line = to_text(underlying_price_line(CONDITION, ExchangePrice(MID_E8, ts_event_ns)))
    assert parser.parse(line, ts_recv_ns=T0_NS + 5) == [
        UnderlyingPriced(
            slug=window().slug, price_e8=MID_E8, ts_event_ns=ts_event_ns, ts_recv_ns=T0_NS + 5
        )
    ]
    assert (parser.events, parser.unusable, parser.backwards) == (1, {}, 0)


def test_a_recorded_price_that_is_broken_is_counted_and_damages_no_book() -> None:
    parser = MarketFrameParser(window())
    line = to_text(underlying_price_line(CONDITION, ExchangePrice(MID_E8)))
    assert parser.parse(line.replace("71000", "-7"), ts_recv_ns=T0_NS) == []
    assert parser.unusable == {"bad_price": 1}
