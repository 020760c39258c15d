"""Own orders and trades as the simulator writes them are what the parsers read."""

from __future__ import annotations

import json

import msgspec
import pytest

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.market import Outcome, TakerSide
from pmcore.venue import encode_user
from pmcore.venue.encode_user import MakerPart, VenueOrder, VenueTrade
from pmcore.venue.rest_models import parse_order
from pmcore.venue.user_frames import UserFrameParser
from support.builders import CONDITION, T0_NS, UP_TOKEN, window

WINDOW = window(tick="0.01")
ORDER = VenueOrder(
    order_hash="0xmine",
    owner="key",
    maker_address="0xwallet",
    outcome=Outcome.UP,
    price_e4=4800,
    original_u6=5_000_000,
    matched_u6=1_500_000,
    status="live",
    created_ns=T0_NS,
)


def part(**changes: object) -> MakerPart:
    fields: dict[str, object] = {
        "order_hash": "0xmine",
        "owner": "key",
        "maker_address": "0xwallet",
        "outcome": Outcome.UP,
        "price_e4": 4800,
        "size_u6": 1_500_000,
    }
    return msgspec.convert(fields | changes, MakerPart)


def venue_trade(*makers: MakerPart) -> VenueTrade:
    return VenueTrade(
        trade_id="t1",
        taker_order_id="0xtaker",
        taker_owner="taker",
        taker_address="0xother",
        outcome=Outcome.DOWN,
        side=TakerSide.BUY,
        price_e4=5200,
        size_u6=1_500_000,
        status=TradeStatus.MINED,
        matched_ns=T0_NS,
        updated_ns=T0_NS,
        makers=makers,
    )


def user_parser() -> UserFrameParser:
    return UserFrameParser(api_key="key", maker_addresses=frozenset())


@pytest.mark.parametrize("kind", list(OrderUpdateKind))
def test_order_events(kind: OrderUpdateKind) -> None:
    event = encode_user.order_event(WINDOW, ORDER, kind, ts_event_ns=T0_NS)
    assert user_parser().parse(json.dumps(event), ts_recv_ns=1) == [
        OrderUpdated(
            kind=kind,
            order_hash="0xmine",
            condition_id=CONDITION,
            token_id=UP_TOKEN,
            price_e4=4800,
            original_u6=5_000_000,
            matched_u6=1_500_000,
            status="live",
            ts_event_ns=T0_NS,
            ts_recv_ns=1,
        )
    ]


def test_rest_orders() -> None:
    answer = encode_user.rest_order(WINDOW, ORDER)
    assert answer["status"] == "ORDER_STATUS_LIVE"
    order = parse_order(answer)
    assert (order.order_hash, order.token_id, order.status) == ("0xmine", UP_TOKEN, "live")


def test_trades_on_the_channel_and_in_rest_give_the_same_fill() -> None:
    trade = venue_trade(part(), part(owner="other", order_hash="0xo", side=None))
    event = encode_user.trade_event(WINDOW, trade)
    parser = user_parser()
    from_channel = parser.parse(json.dumps(event), ts_recv_ns=1)
    assert from_channel == [
        FillReported(
            trade_id="t1",
            order_hash="0xmine",
            condition_id=CONDITION,
            token_id=UP_TOKEN,
            price_e4=4800,
            size_u6=1_500_000,
            status=TradeStatus.MINED,
            ts_event_ns=T0_NS,
            ts_recv_ns=1,
        )
    ]
    assert parser.fills(encode_user.rest_trade(WINDOW, trade), ts_recv_ns=1) == from_channel
    assert "side" not in event["maker_orders"][1]  # type: ignore[index] # a list of objects
