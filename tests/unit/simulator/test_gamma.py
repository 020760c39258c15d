"""Gamma's objects: the quirks that a reader must survive (docs/venue.md 7.2)."""

from __future__ import annotations

import json

import msgspec

from pmcore.model.market import Outcome, Protocol, Window
from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import ListedWindow
from pmsimulator.gamma import gamma_event, gamma_market
from pmsimulator.gamma_series import id_of_series, is_series
from pmsimulator.market_facts import MarketFacts

WINDOW = Window(
    series="btc-5m",
    slug="btc-updown-5m-1790000100",
    condition_id="0x" + "ab" * 32,
    up_token_id="111",
    down_token_id="222",
    open_ns=1_790_000_100 * NS_PER_S,
    close_ns=1_790_000_400 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5_000_000,
)
OPEN = ListedWindow(window=WINDOW, accepting_orders=True, closed=False, up_price_e4=5_050)
FACTS = MarketFacts(
    bid_e4=5_000,
    ask_e4=5_100,
    last_e4=5_100,
    tick_e4=100,
    volume_u6=12_500_000,
    liquidity_u6=99_000_000,
)


def test_lists_are_strings_and_numbers_may_be() -> None:
    market = gamma_market(OPEN, FACTS)
    assert market["outcomes"] == '["Up", "Down"]'
    assert json.loads(str(market["clobTokenIds"])) == ["111", "222"]
    assert json.loads(str(market["outcomePrices"])) == ["0.505", "0.495"]
    assert isinstance(market["liquidity"], str)
    assert market["orderPriceMinTickSize"] == 0.01
    assert market["orderMinSize"] == 5
    assert market["version"] == "v1"
    assert "positionIds" not in market


def test_the_start_of_the_window_is_not_start_date() -> None:
    market = gamma_market(OPEN, FACTS)
    assert market["eventStartTime"] == "2026-09-21T14:15:00Z"
    assert market["endDate"] == "2026-09-21T14:20:00Z"
    assert market["startDate"] == "2026-09-20T14:15:00Z"


def test_a_resolved_window_names_its_winner_in_prices() -> None:
    closed = msgspec.structs.replace(OPEN, closed=True, winner=Outcome.DOWN)
    market = gamma_market(closed, FACTS)
    assert market["closed"] is True
    assert market["outcomePrices"] == '["0", "1"]'
    assert market["umaResolutionStatus"] == "resolved"
    assert "umaResolutionStatus" not in gamma_market(OPEN, FACTS)


def test_protocol_v2_has_positions_instead() -> None:
    window = msgspec.structs.replace(WINDOW, protocol=Protocol.V2)
    market = gamma_market(msgspec.structs.replace(OPEN, window=window), FACTS)
    assert market["version"] == "v2"
    assert market["positionIds"] == ["111", "222"]
    assert market["clobTokenIds"] is None


def test_an_event_holds_the_market_and_a_market_its_event() -> None:
    event = gamma_event(OPEN, FACTS)
    market = gamma_market(OPEN, FACTS)
    assert event["slug"] == market["slug"]
    assert event["markets"] == [{k: v for k, v in market.items() if k != "events"}]
    assert market["events"] == [{k: v for k, v in event.items() if k != "markets"}]
    assert id_of_series("btc-5m") == 10684
    assert id_of_series("btc-60s") == id_of_series("btc-60s") != id_of_series("eth-60s")


def test_prices_are_the_books_and_an_empty_side_is_told_as_the_venue_does() -> None:
    market = gamma_market(OPEN, FACTS)
    assert (market["bestBid"], market["bestAsk"], market["spread"]) == (0.5, 0.51, 0.01)
    assert (market["lastTradePrice"], market["volume"], market["volumeNum"]) == (0.51, "12.5", 12.5)
    empty = gamma_market(OPEN, MarketFacts(tick_e4=10))
    assert "bestBid" not in empty
    assert (empty["bestAsk"], empty["spread"], empty["orderPriceMinTickSize"]) == (1.0, 1.0, 0.001)


def test_a_series_is_found_by_its_slug_its_id_and_our_name() -> None:
    assert gamma_event(OPEN, FACTS)["seriesSlug"] == "btc-up-or-down-5m"
    for name in ("btc-up-or-down-5m", "btc-5m", "10684"):
        assert is_series(name, "btc-5m")
    assert not is_series("btc-15m", "btc-5m")
