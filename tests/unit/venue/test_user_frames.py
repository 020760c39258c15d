"""Own orders and fills out of the user channel and of REST trades."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.venue import user_frames
from pmcore.venue.user_frames import UserFrameParser
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, T0_S, UP_TOKEN

KEY, WALLET = "my-api-key", "0xA3d8000000000000000000000000000000000001"
RECV = T0_NS + 5
STAMP_MS = T0_S * 1000 + 123
STAMP_NS = STAMP_MS * 10**6


def new_parser() -> UserFrameParser:
    return UserFrameParser(api_key=KEY, maker_addresses=frozenset({WALLET}))


def maker(**changes: Any) -> dict[str, Any]:
    return {
        "order_id": "0xmine",
        "owner": KEY,
        "maker_address": "0xelse",
        "matched_amount": "10",
        "price": "0.482",
        "asset_id": UP_TOKEN,
        "side": "BUY",
        **changes,
    }


def trade(*makers: Any, **changes: Any) -> dict[str, Any]:
    """A taker bought Down; makers are listed below."""
    return {
        "event_type": "trade",
        "type": "TRADE",
        "id": "trade-1",
        "market": CONDITION,
        "asset_id": DOWN_TOKEN,
        "side": "BUY",
        "size": "1096.87",
        "price": "0.518",
        "status": "MATCHED",
        "owner": "taker-key",
        "trader_side": "MAKER",
        "timestamp": str(STAMP_MS),
        "maker_orders": list(makers),
        **changes,
    }


def order(**changes: Any) -> dict[str, Any]:
    return {
        "event_type": "order",
        "type": "PLACEMENT",
        "id": "0xmine",
        "owner": KEY,
        "market": CONDITION,
        "asset_id": UP_TOKEN,
        "side": "BUY",
        "original_size": "5",
        "size_matched": "0",
        "price": "0.48",
        "status": "LIVE",
        "created_at": str(T0_S),
        "timestamp": str(STAMP_MS),
        **changes,
    }


def parse(value: Any) -> tuple[list[OrderUpdated | FillReported], UserFrameParser]:
    parser = new_parser()
    return parser.parse(json.dumps(value), ts_recv_ns=RECV), parser


def fills(value: Any) -> list[FillReported]:
    messages, parser = parse(value)
    assert parser.unusable == {}
    return [message for message in messages if isinstance(message, FillReported)]


def test_our_part_of_a_mint_has_our_token_price_and_size() -> None:
    other = maker(order_id="0xother", owner="somebody", matched_amount="90")
    assert fills(trade(other, maker())) == [
        FillReported(
            trade_id="trade-1",
            order_hash="0xmine",
            condition_id=CONDITION,
            token_id=UP_TOKEN,
            price_e4=4820,
            size_u6=10_000_000,
            status=TradeStatus.MATCHED,
            ts_event_ns=STAMP_NS,
            ts_recv_ns=RECV,
        )
    ]


def test_an_entry_is_ours_by_wallet_in_any_case() -> None:
    assert fills(trade(maker(owner="session-key", maker_address=WALLET.upper())))


def test_several_orders_of_ours_are_several_fills_and_one_order_twice_is_one() -> None:
    found = fills(
        trade(
            maker(order_id="0xa", matched_amount="1"),
            maker(order_id="0xb", matched_amount="2"),
            maker(order_id="0xa", matched_amount="3"),
        )
    )
    assert [(fill.order_hash, fill.size_u6) for fill in found] == [
        ("0xa", 4_000_000),
        ("0xb", 2_000_000),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("MATCHED", TradeStatus.MATCHED),
        ("MINED", TradeStatus.MINED),
        ("CONFIRMED", TradeStatus.CONFIRMED),
        ("RETRYING", TradeStatus.RETRYING),
        ("FAILED", TradeStatus.FAILED),
        ("TRADE_STATUS_FAILED", TradeStatus.FAILED),
        ("TRADE_STATUS_MATCHED_NOT_BROADCASTED", TradeStatus.MATCHED),
    ],
)
def test_every_status_with_and_without_prefix(status: str, expected: TradeStatus) -> None:
    assert fills(trade(maker(), status=status))[0].status is expected


@pytest.mark.parametrize(
    ("entry", "taker", "bought"),
    [
        ({"side": None, "asset_id": UP_TOKEN}, {"side": "BUY"}, True),
        ({"side": None, "asset_id": DOWN_TOKEN}, {"side": "SELL"}, True),
        ({"side": "", "asset_id": DOWN_TOKEN}, {"side": "BUY"}, False),
        ({"side": None, "asset_id": UP_TOKEN}, {"side": "SELL"}, False),
        ({"side": "SELL"}, {"side": "BUY"}, False),
    ],
)
def test_a_missing_side_follows_from_the_takers(
    entry: dict[str, Any], taker: dict[str, Any], bought: bool
) -> None:
    messages, parser = parse(trade(maker(**entry), **taker))
    assert bool(messages) == bought
    assert parser.unusable == ({} if bought else {"own_sell": 1})


def test_a_bad_entry_of_ours_does_not_hide_the_good_one() -> None:
    messages, parser = parse(
        trade(
            maker(order_id="0xbad", matched_amount="-1"),
            maker(order_id="0xnone", matched_amount="0"),
            "junk",
            maker(order_id="0xgood"),
        )
    )
    assert [message.order_hash for message in messages] == ["0xgood"]
    assert parser.unusable == {"bad_size": 2}


def test_a_trade_in_which_we_are_the_taker_is_booked_and_marked() -> None:
    told = trade(maker(owner="else"), owner=KEY, trader_side="TAKER", taker_order_id="0x77")
    (fill,), parser = parse(told)
    assert isinstance(fill, FillReported)
    assert (fill.order_hash, fill.token_id) == ("0x77", told["asset_id"])
    assert list(parser.taken) == ["0x77"]
    assert (parser.unusable, parser.ignored, parser.doubts) == ({}, 0, 0)


def test_orders_that_took_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_frames, "TAKERS_REMEMBERED", 2)
    told = [
        trade(maker(owner="else"), owner=KEY, trader_side="TAKER", taker_order_id=f"0x{number}")
        for number in range(3)
    ]
    parser = parse(told)[1]
    assert list(parser.taken) == ["0x1", "0x2"]


def test_takers_are_remembered_up_to_a_limit() -> None:
    parser = new_parser()
    for number in range(1_100):
        told = trade(maker(owner="else"), owner=KEY, trader_side="", taker_order_id=f"0x{number}")
        parser.parse(json.dumps(told), ts_recv_ns=RECV)
    assert len(parser.taken) == 1_024


def test_without_an_api_key_nobodys_entry_is_ours_by_key() -> None:
    parser = UserFrameParser(api_key="", maker_addresses=frozenset())
    assert parser.parse(json.dumps(trade(maker(owner=""))), ts_recv_ns=RECV) == []


def test_a_rest_trade_gives_the_same_fill() -> None:
    from_channel = trade(maker(), timestamp=None, match_time=str(T0_S), last_update=str(T0_S + 1))
    rest = {key: from_channel[key] for key in from_channel if key not in ("event_type", "type")}
    rest["status"] = "TRADE_STATUS_MATCHED"
    parser = new_parser()
    assert parser.fills(rest, ts_recv_ns=RECV) == fills(from_channel)
    assert parser.fills({"id": "x", "status": "??"}, ts_recv_ns=RECV) == []
    assert parser.unusable == {"unknown_status": 1}


@pytest.mark.parametrize(
    ("times", "expected_ns"),
    [
        ({"timestamp": str(T0_S)}, T0_NS),
        ({"timestamp": None, "matchtime": T0_S}, T0_NS),
        ({"timestamp": ""}, RECV),
    ],
)
def test_the_time_of_a_trade(times: dict[str, Any], expected_ns: int) -> None:
    assert fills(trade(maker(), **times))[0].ts_event_ns == expected_ns


def test_an_order_event() -> None:
    messages, _ = parse(order())
    assert messages == [
        OrderUpdated(
            kind=OrderUpdateKind.PLACEMENT,
            order_hash="0xmine",
            condition_id=CONDITION,
            token_id=UP_TOKEN,
            price_e4=4800,
            original_u6=5_000_000,
            matched_u6=0,
            status="live",
            ts_event_ns=STAMP_NS,
            ts_recv_ns=RECV,
        )
    ]


@pytest.mark.parametrize("created_at", [str(T0_S), T0_S, T0_S * 1000])
def test_creation_time_in_seconds_or_milliseconds(created_at: Any) -> None:
    messages, _ = parse(order(timestamp=None, created_at=created_at))
    assert messages[0].ts_event_ns == T0_NS


def test_free_text_status_and_unknown_matched_amount() -> None:
    text = "CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed."
    messages, _ = parse(order(type="CANCELLATION", status=text, size_matched=""))
    (message,) = messages
    assert isinstance(message, OrderUpdated)
    assert (message.kind, message.status, message.matched_u6) == (
        OrderUpdateKind.CANCELLATION,
        text.lower(),
        None,
    )
    bare = order(type="update", event_type="order", status=None, size_matched="2.5")
    (message,) = parse(bare)[0]
    assert isinstance(message, OrderUpdated)
    assert (message.kind, message.status, message.matched_u6) == (
        OrderUpdateKind.UPDATE,
        "",
        2_500_000,
    )


def test_events_may_lack_their_event_type() -> None:
    frames = [trade(maker()), order()]
    for frame in frames:
        del frame["event_type"]
    assert len(parse(frames)[0]) == 2


@pytest.mark.parametrize("raw", ["PONG", "", "[]", b"PONG"])
def test_frames_that_say_nothing(raw: str | bytes) -> None:
    parser = new_parser()
    assert parser.parse(raw, ts_recv_ns=RECV) == []
    assert parser.unusable == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (trade(), "no_maker_orders"),
        (trade(maker_orders=None), "no_maker_orders"),
        (trade(maker_orders={"a": 1}), "bad_shape"),
        (trade(maker(), id=None), "bad_shape"),
        (trade(maker(), status="LOST"), "unknown_status"),
        (trade(maker(price="2")), "bad_price"),
        (order(type="EXPLOSION"), "unknown_event"),
        (order(event_type="other"), "unknown_event"),
        (order(price="x"), "bad_price"),
        (order(original_size=None), "bad_size"),
        (["x"], "not_an_object"),
    ],
)
def test_what_cannot_be_used_is_counted_by_reason(value: Any, reason: str) -> None:
    messages, parser = parse(value)
    assert messages == []
    assert parser.unusable == {reason: 1}
    assert parser.samples[0].reason == reason


def test_bad_json_and_huge_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = new_parser()
    parser.parse("{", ts_recv_ns=RECV)
    monkeypatch.setattr(user_frames, "MAX_FRAME_CHARS", 10)
    parser.parse(json.dumps(order()), ts_recv_ns=RECV)
    assert parser.unusable == {"bad_json": 1, "too_large": 1}
    assert (parser.frames, parser.events) == (2, 0)
