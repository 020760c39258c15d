"""The values inside market frames, one by one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pmcore.messages.market_data import SnapshotOrigin
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import BookSide, Outcome, TakerSide
from pmcore.venue.market_values import (
    change_of,
    event_type_of,
    last_trade_of,
    levels_of,
    origin_of,
    plain_status,
    taker_side_of,
    whole_book_of,
)
from support.builders import window
from support.frames import STAMP, book_frame, entry, without

WINDOW = window(tick="0.01")


def test_sides_and_statuses_in_any_dress() -> None:
    assert taker_side_of({"side": "buy"}) is TakerSide.BUY
    assert taker_side_of({"side": "SELL"}) is TakerSide.SELL
    assert plain_status({"status": "ORDER_STATUS_LIVE"}) == "LIVE"
    assert plain_status({"status": "TRADE_STATUS_MINED"}) == "MINED"
    assert plain_status({}) == ""


@pytest.mark.parametrize("item", [{}, {"side": "HOLD"}, {"side": 1}])
def test_a_side_that_is_none(item: dict[str, object]) -> None:
    with pytest.raises(MalformedInputError, match="bad_side"):
        taker_side_of(item)


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"event_type": "book"}, "book"),
        ({"event_type": ["x"]}, "['x']"),
        ({"bids": [], "asks": []}, "book"),
        ({"bids": []}, ""),
        ({}, ""),
    ],
)
def test_the_kind_of_an_event(item: dict[str, Any], kind: str) -> None:
    assert event_type_of(item) == kind


def test_where_a_book_comes_from() -> None:
    assert origin_of({}) is SnapshotOrigin.REST
    assert origin_of({"event_type": "book"}) is SnapshotOrigin.TRADE
    told: dict[str, object] = {"event_type": "book", "last_trade_price": ""}
    assert origin_of(told) is SnapshotOrigin.SUBSCRIBE


@pytest.mark.parametrize(
    ("value", "text"), [(None, None), ("", ""), ("0.490", "0.490"), (0.49, "0.490")]
)
def test_the_last_trade_as_it_stands_in_the_hash(value: object, text: str | None) -> None:
    assert last_trade_of({"last_trade_price": value}) == text
    if value is None:
        assert last_trade_of({}) is None


def level(price: object, size: object = "1") -> dict[str, object]:
    return {"price": price, "size": size}


def test_levels_are_sorted_and_stand_on_the_grid() -> None:
    item: dict[str, Any] = {"bids": [level("0.5"), level("0.49", "2.5")]}
    assert levels_of(item, "bids", 100) == ((4900, 2_500_000), (5000, 1_000_000))


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_levels_are_read_from_their_text_with_and_without_spaces(
    separators: tuple[str, str],
) -> None:
    written = json.dumps([level("0.5"), level("0.49", "2.5")], separators=separators)
    item: dict[str, Any] = {"bids": msgspec.Raw(written.encode())}
    assert levels_of(item, "bids", 100) == ((4900, 2_500_000), (5000, 1_000_000))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([level("0.495")], "off_grid"),
        ([level("0")], "off_grid"),
        ([level("1")], "off_grid"),
        ([level("1.01")], "bad_price"),
        ([level("0.5", "-1")], "bad_size"),
        ([["0.5", "1"]], "bad_shape"),
        ([{"size": "1"}], "bad_price"),
        ([{"price": "0.5"}], "bad_size"),
        ([level(["0.5"])], "bad_price"),
        ([level("0.5"), level("0.51", True)], "bad_size"),
        ({}, "bad_shape"),
    ],
)
def test_one_bad_level_makes_the_book_unusable(value: object, reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        levels_of({"bids": value}, "bids", 100)
    assert caught.value.reason == reason


def test_a_change() -> None:
    change = change_of(Outcome.UP, entry(best_ask=""), 100)
    assert (change.side, change.price_e4, change.size_u6) == (BookSide.BID, 4600, 918_340_000)
    assert (change.best_bid_e4, change.best_ask_e4) == (4900, None)
    assert change_of(Outcome.UP, entry(side="SELL"), 100).side is BookSide.ASK
    for price in ("0.461", "0", "1"):
        with pytest.raises(MalformedInputError, match="off_grid"):
            change_of(Outcome.UP, entry(price=price), 100)


def test_a_whole_book_best_last() -> None:
    book = whole_book_of(WINDOW, Outcome.UP, book_frame(), 100, 7)
    assert (book.bids[-1], book.asks[-1]) == ((4900, 10_000_000), (5100, 3_000_000))
    assert (book.tick_e4, book.ts_event_ns, book.ts_recv_ns) == (100, int(STAMP) * 10**6, 7)
    silent = whole_book_of(WINDOW, Outcome.UP, without(book_frame(), "tick_size"), 100, 7)
    assert silent.tick_e4 is None
