"""Answers of the CLOB, and what its refusals mean for the engine."""

from __future__ import annotations

from typing import Any

import pytest

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.execution import VenueMode
from pmcore.messages.market_data import SnapshotOrigin
from pmcore.messages.user import TokenShares
from pmcore.model.errors import MalformedInputError, Reason
from pmcore.model.market import Outcome, TakerSide
from pmcore.venue.encode import rest_book
from pmcore.venue.rest_models import (
    OpenOrder,
    PostOrderResult,
    classify_error,
    error_text,
    expected_heartbeat_id,
    heartbeat_id_of,
    parse_balance_u6,
    parse_book,
    parse_cancel_response,
    parse_open_orders_page,
    parse_order,
    parse_positions_page,
    parse_post_order_response,
    parse_post_orders_response,
    parse_trades_page,
)
from support.builders import CONDITION, T0_NS, UP_TOKEN, window
from support.frames import book_frame, without

WINDOW = window(tick="0.01")


def test_a_rest_book_is_verified_like_any_other() -> None:
    answer = rest_book(
        WINDOW,
        Outcome.DOWN,
        bids=[(4900, 1_000_000)],
        asks=[(5100, 2_000_000)],
        ts_event_ns=T0_NS,
        tick_e4=100,
        last_trade="0.500",
    )
    snapshot = parse_book(WINDOW, answer, ts_recv_ns=T0_NS + 1)
    assert snapshot.origin is SnapshotOrigin.REST
    books = WindowBooks(WINDOW)
    books.apply(snapshot)
    assert books.counters.books_verified == 1
    assert books.state(Outcome.DOWN) is BookState.LIVE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"market": "0xother"}, "foreign_market"),
        ({"asset_id": "77"}, "foreign_token"),
        ({"bids": [{"price": "0.5", "size": "-1"}]}, "bad_size"),
        ({"timestamp": None}, "bad_timestamp"),
    ],
)
def test_a_rest_book_that_cannot_be_used(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        parse_book(WINDOW, without(book_frame(**changes), "event_type"), ts_recv_ns=1)
    assert caught.value.reason == reason


def order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "0x1",
        "status": "ORDER_STATUS_LIVE",
        "market": CONDITION,
        "asset_id": UP_TOKEN,
        "side": "BUY",
        "original_size": "200.0000",
        "size_matched": "50.5",
        "price": "0.6000",
        **changes,
    }


def test_open_orders_come_in_pages() -> None:
    page = parse_open_orders_page({"data": [order()], "next_cursor": "Mg=="})
    assert page.next_cursor == "Mg=="
    assert page.orders == (
        OpenOrder(
            order_hash="0x1",
            condition_id=CONDITION,
            token_id=UP_TOKEN,
            side=TakerSide.BUY,
            price_e4=6000,
            original_u6=200_000_000,
            matched_u6=50_500_000,
            status="live",
        ),
    )
    assert parse_open_orders_page({"data": [], "next_cursor": "LTE="}).next_cursor is None
    assert parse_open_orders_page({"data": []}).next_cursor is None
    assert parse_order(order(size_matched="", status="LIVE")).matched_u6 == 0


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"data": {}}, {"data": [1]}, {"data": [order(id="")]}]
)
def test_a_page_that_cannot_be_read_raises_so_that_no_order_is_overlooked(answer: Any) -> None:
    with pytest.raises(MalformedInputError):
        parse_open_orders_page(answer)


def test_trades_stay_raw_for_the_user_parser() -> None:
    page = parse_trades_page({"data": [{"id": "t"}], "next_cursor": "LTE="})
    assert page.trades == ({"id": "t"},)
    assert page.next_cursor is None


@pytest.mark.parametrize("status", ["live", "matched", "delayed", "LIVE"])
def test_an_order_is_taken_only_when_everything_says_so(status: str) -> None:
    answer = {"success": True, "errorMsg": "", "orderID": "0xabc", "status": status}
    assert parse_post_order_response(answer) == PostOrderResult("0xabc", status.lower(), "", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"success": False}, Reason.UNKNOWN),
        ({"success": "true"}, Reason.UNKNOWN),
        ({"orderID": ""}, Reason.UNKNOWN),
        ({"status": "unmatched"}, Reason.UNKNOWN),
        ({"status": None}, Reason.UNKNOWN),
        (
            {"errorMsg": "invalid post-only order: order crosses book", "orderID": ""},
            Reason.POST_ONLY_CROSSES,
        ),
        ({"errorMsg": "Rate limit exceeded for tokenId 1", "success": False}, Reason.RATE_LIMITED),
        ({"errorMsg": "something new"}, Reason.UNKNOWN),
    ],
)
def test_a_success_that_is_none(changes: dict[str, Any], reason: Reason) -> None:
    answer = {"success": True, "errorMsg": "", "orderID": "0xabc", "status": "live"}
    assert parse_post_order_response(answer | changes).reason is reason


def test_a_batch_answers_in_order() -> None:
    good = {"success": True, "orderID": "0xabc", "status": "live"}
    bad = {"success": True, "orderID": "", "errorMsg": "order 0x1 is invalid. Duplicated."}
    assert [result.reason for result in parse_post_orders_response([good, bad])] == [
        None,
        Reason.DUPLICATE,
    ]


def test_a_cancel_may_cancel_nothing() -> None:
    result = parse_cancel_response(
        {
            "canceled": ["0x1"],
            "not_canceled": {
                "0x2": "already canceled or matched",
                "0x3": "Order already matched",
                "0x4": "Order not found or already canceled",
                "0x5": "Order already canceled",
                "0x6": "the engine is on holiday",
            },
        }
    )
    assert result.cancelled == ("0x1",)
    assert [reason for reason, _ in result.not_cancelled.values()] == [
        Reason.ALREADY_MATCHED,
        Reason.ALREADY_MATCHED,
        Reason.NOT_FOUND,
        Reason.NOT_FOUND,
        Reason.UNKNOWN,
    ]
    empty = parse_cancel_response({"canceled": None, "not_canceled": None})
    assert (empty.cancelled, empty.not_cancelled) == ((), {})


def test_heartbeats_and_balances() -> None:
    assert heartbeat_id_of({"heartbeat_id": "h2"}) == "h2"
    assert parse_balance_u6({"balance": "100000000", "allowances": {}}) == 100_000_000
    with pytest.raises(MalformedInputError, match="bad_balance"):
        parse_balance_u6({"balance": "-1"})


@pytest.mark.parametrize(
    ("body", "expected_id"),
    [
        ({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "h2"}, "h2"),
        ({"heartbeat_id": "h2"}, "h2"),
        ({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": ""}, ""),
        ({"error": "Invalid Heartbeat ID", "heartbeat_id": None}, ""),
        ({"error": "invalid heartbeat id"}, ""),
    ],
)
def test_a_refused_heartbeat_names_the_expected_id_or_none(body: Any, expected_id: str) -> None:
    assert expected_heartbeat_id(body) == expected_id


@pytest.mark.parametrize(
    "body",
    [{"error": "bad request"}, {"error": "heartbeat", "heartbeat_id": 7}, {}, "<html>", None],
)
def test_a_400_that_is_not_about_the_id_names_none(body: Any) -> None:
    with pytest.raises(MalformedInputError):
        expected_heartbeat_id(body)


PAGE = "<!DOCTYPE html><html><head><title>One moment</title></head><body>not found, api key</body>"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        # a refusal of us
        (403, {"error": "Trading restricted in your region, see the terms"}, Reason.REGION_BLOCKED),
        (400, {"error": "not available in your country"}, Reason.REGION_BLOCKED),
        (451, "", Reason.REGION_BLOCKED),
        (403, "<html>banned the country or region your address is in", Reason.REGION_BLOCKED),
        (403, {"error": "forbidden"}, Reason.AUTH),
        (400, {"error": "invalid signature"}, Reason.INVALID_ORDER),
        # a refusal of this request, in words that we do not know
        (400, {"error": "trading pauses for a moment"}, Reason.REFUSED),
        (422, {"error": "cannot be done"}, Reason.REFUSED),
        (400, {}, Reason.REFUSED),
        # not the venue's words at all
        (403, PAGE, Reason.EDGE_PAGE),
        (404, PAGE, Reason.EDGE_PAGE),
        (401, PAGE, Reason.EDGE_PAGE),
        (400, PAGE, Reason.EDGE_PAGE),
        (403, "error code: 1020", Reason.EDGE_PAGE),
        (403, "", Reason.EDGE_PAGE),
        (403, {"title": "Error 1020: Access denied", "status": 403}, Reason.EDGE_PAGE),
        (404, "", Reason.EDGE_PAGE),
        # the same whoever says it
        (429, PAGE, Reason.RATE_LIMITED),
        (425, PAGE, Reason.RESTARTING),
        (408, PAGE, Reason.TIMEOUT),
        (503, PAGE.replace("not found", "trading is disabled"), Reason.VENUE_ERROR),
    ],
)
def test_who_refuses_what(status: int, body: Any, reason: Reason) -> None:
    assert classify_error(status, body).reason is reason


def test_a_page_is_named_by_its_title() -> None:
    assert error_text(PAGE) == "a web page, not the venue's answer: One moment"
    assert error_text("<html>") == "a web page, not the venue's answer"
    assert error_text("plain words") == "plain words"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, {"error": "Unauthorized/Invalid api key"}, Reason.AUTH),
        (401, "nginx", Reason.AUTH),
        (400, {"error": "the order owner has to be the owner of the API KEY"}, Reason.AUTH),
        (
            400,
            {"error": "maker address not allowed, please use the deposit wallet flow"},
            Reason.AUTH,
        ),
        (400, {"error": "Invalid order payload"}, Reason.INVALID_ORDER),
        (400, {"error": "'0xabc' address banned"}, Reason.BANNED),
        (400, {"error": "'0xabc' address in closed only mode"}, Reason.CLOSED_ONLY),
        (400, {"error": "order_version_mismatch"}, Reason.VERSION_MISMATCH),
        (400, {"error": "invalid post-only order: order crosses book"}, Reason.POST_ONLY_CROSSES),
        (400, {"error": "order 0x1 crosses the book"}, Reason.POST_ONLY_CROSSES),
        (
            400,
            {"error": "order 0x1 is invalid. Price (0.4) breaks minimum tick size rule: 0.01"},
            Reason.TICK,
        ),
        (
            400,
            {"error": "order 0x1 is invalid. Size (1) lower than the minimum: 5"},
            Reason.MIN_SIZE,
        ),
        (400, {"error": "order 0x1 is invalid. Duplicated."}, Reason.DUPLICATE),
        (400, {"error": "not enough balance / allowance: balance 1"}, Reason.BALANCE),
        (
            400,
            {"error": "the market is not yet ready to process new orders"},
            Reason.MARKET_NOT_READY,
        ),
        (400, {"error": "order match delayed due to market conditions"}, Reason.MARKET_NOT_READY),
        (404, {"error": "No orderbook exists for the requested token id"}, Reason.MARKET_NOT_READY),
        (404, {"error": "Order not found"}, Reason.NOT_FOUND),
        (404, None, Reason.NOT_FOUND),
        (425, "Service is not ready", Reason.RESTARTING),
        (429, {}, Reason.RATE_LIMITED),
        (500, {"error": "could not insert order"}, Reason.VENUE_ERROR),
        (500, {"error": "Order not found in cache"}, Reason.VENUE_ERROR),
        (502, "<html>", Reason.VENUE_ERROR),
        (503, {"error": "upstream"}, Reason.VENUE_ERROR),
        (503, {"error": "whatever", "code": "POST_ONLY_MODE"}, Reason.POST_ONLY_MODE),
        (503, {"error": "Trading is currently cancel-only. New orders are"}, Reason.CANCEL_ONLY),
        (503, {"error": "Trading is currently disabled. Check"}, Reason.TRADING_DISABLED),
        (503, {"error": "trading is disabled"}, Reason.TRADING_DISABLED),
        (201, {}, Reason.UNKNOWN),
    ],
)
def test_refusals_have_a_reason(status: int, body: Any, reason: Reason) -> None:
    assert classify_error(status, body).reason is reason


@pytest.mark.parametrize(
    ("status", "body", "mode"),
    [
        (503, {"code": "post_only_mode"}, VenueMode.POST_ONLY),
        (503, {"error": "Trading is currently cancel-only."}, VenueMode.CANCEL_ONLY),
        (503, {"error": "trading is disabled"}, VenueMode.DISABLED),
        (425, None, VenueMode.RESTARTING),
        (400, {"error": "'0xabc' address in closed only mode"}, VenueMode.CLOSED_ONLY),
        (400, {"error": "order crosses book"}, None),
    ],
)
def test_some_refusals_tell_the_venues_mode(status: int, body: Any, mode: VenueMode | None) -> None:
    assert classify_error(status, body).mode is mode


@pytest.mark.parametrize(
    ("body", "header", "retry_after_ms"),
    [
        ({"retry_after_seconds": 79}, None, 79_000),
        ({"retry_after_seconds": 79}, "1", 1_000),
        ({"retry_after_seconds": "x"}, "1.5", 1_500),
        ("text", "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ({}, "inf", None),
        ({}, "-3", 0),
    ],
)
def test_when_to_come_back(body: Any, header: str | None, retry_after_ms: int | None) -> None:
    assert classify_error(503, body, retry_after=header).retry_after_ms == retry_after_ms


def test_the_words_of_an_error_stand_under_several_keys() -> None:
    for key in ("error", "error_msg", "errorMsg", "message"):
        assert error_text({key: "words"}) == "words"
    assert error_text({"error": {"nested": 1}}) == ""
    assert error_text(None) == ""


def position_row(token_id: str, size: object, *, redeemable: bool = False) -> dict[str, object]:
    return {"token_id": token_id, "current_size": size, "redeemable": redeemable}


def test_positions_are_read_page_by_page() -> None:
    rows = [position_row("1", 4.997714), position_row("2", 5, redeemable=True)]
    more = {"data": rows, "pagination": {"has_more": True, "next_cursor": "Mg=="}}
    assert parse_positions_page(more) == ((TokenShares("1", 4_997_714),), "Mg==")
    last = {"data": [], "pagination": {"has_more": False, "next_cursor": None}}
    assert parse_positions_page(last) == ((), None)


@pytest.mark.parametrize(
    "page",
    [
        [],
        {"data": []},
        {"data": None, "pagination": {}},
        {"data": [{"token_id": "1"}], "pagination": {}},
        {"data": [position_row("", 5)], "pagination": {}},
        {"data": [position_row("1", -5)], "pagination": {}},
        {"data": [], "pagination": {"has_more": True, "next_cursor": None}},
    ],
)
def test_positions_that_cannot_be_understood_are_an_error(page: object) -> None:
    with pytest.raises(MalformedInputError):
        parse_positions_page(page)
