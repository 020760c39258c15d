"""Own orders and trades as the venue writes them (venue.md 1.4, 6.2, 6.3)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmcore.messages.user import OrderUpdateKind, TradeStatus
from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmcore.venue.encode import ms_text
from pmcore.venue.fields import JsonObject


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue knows it; engine orders are BUY and GTC."""

    order_hash: str
    owner: str
    maker_address: str
    outcome: Outcome
    price_e4: int
    original_u6: int
    matched_u6: int
    status: str
    created_ns: int
    side: TakerSide = TakerSide.BUY
    order_type: str = "GTC"


class MakerPart(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `maker_orders`."""

    order_hash: str
    owner: str
    maker_address: str
    outcome: Outcome
    price_e4: int
    size_u6: int
    side: TakerSide | None = TakerSide.BUY


class VenueTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as the venue knows it: the taker's view on top, the makers below."""

    trade_id: str
    taker_order_id: str
    taker_owner: str
    taker_address: str
    outcome: Outcome
    side: TakerSide
    price_e4: int
    size_u6: int
    status: TradeStatus
    matched_ns: int
    updated_ns: int
    makers: Sequence[MakerPart]
    transaction_hash: str = ""
    trader_side: str = "MAKER"


def _label(outcome: Outcome) -> str:
    return outcome.value.capitalize()


def _order_fields(window: Window, order: VenueOrder) -> JsonObject:
    return {
        "id": order.order_hash,
        "owner": order.owner,
        "maker_address": order.maker_address,
        "market": window.condition_id,
        "asset_id": window.token_id(order.outcome),
        "side": order.side.value.upper(),
        "original_size": format_qty(order.original_u6),
        "size_matched": format_qty(order.matched_u6),
        "price": format_price(order.price_e4),
        "outcome": _label(order.outcome),
        "expiration": "0",
        "order_type": order.order_type,
        "associate_trades": [],
    }


def order_event(
    window: Window, order: VenueOrder, kind: OrderUpdateKind, *, ts_event_ns: int
) -> JsonObject:
    """An `order` event of the user channel."""
    return {
        "event_type": "order",
        "type": kind.value.upper(),
        **_order_fields(window, order),
        "order_owner": order.owner,
        "status": order.status.upper(),
        "created_at": str(order.created_ns // NS_PER_S),
        "timestamp": ms_text(ts_event_ns),
    }


def rest_order(window: Window, order: VenueOrder) -> JsonObject:
    """An order of `/data/orders`: the status has a prefix, the time is an integer."""
    return {
        **_order_fields(window, order),
        "status": f"ORDER_STATUS_{order.status.upper()}",
        "created_at": order.created_ns // NS_PER_S,
    }


def _maker_object(window: Window, part: MakerPart) -> JsonObject:
    entry: JsonObject = {
        "order_id": part.order_hash,
        "owner": part.owner,
        "maker_address": part.maker_address,
        "matched_amount": format_qty(part.size_u6),
        "price": format_price(part.price_e4),
        "fee_rate_bps": "0",
        "asset_id": window.token_id(part.outcome),
        "outcome": _label(part.outcome),
    }
    if part.side is not None:
        entry["side"] = part.side.value.upper()
    return entry


def _trade_fields(window: Window, trade: VenueTrade) -> JsonObject:
    return {
        "id": trade.trade_id,
        "taker_order_id": trade.taker_order_id,
        "market": window.condition_id,
        "asset_id": window.token_id(trade.outcome),
        "side": trade.side.value.upper(),
        "size": format_qty(trade.size_u6),
        "fee_rate_bps": "0",
        "price": format_price(trade.price_e4),
        "match_time": str(trade.matched_ns // NS_PER_S),
        "last_update": str(trade.updated_ns // NS_PER_S),
        "outcome": _label(trade.outcome),
        "bucket_index": 0,
        "owner": trade.taker_owner,
        "maker_address": trade.taker_address,
        "transaction_hash": trade.transaction_hash,
        "maker_orders": [_maker_object(window, part) for part in trade.makers],
        "trader_side": trade.trader_side,
    }


def trade_event(window: Window, trade: VenueTrade) -> JsonObject:
    """A `trade` event of the user channel."""
    return {
        "event_type": "trade",
        "type": "TRADE",
        **_trade_fields(window, trade),
        "trade_owner": trade.taker_owner,
        "status": trade.status.value.upper(),
        "timestamp": ms_text(trade.updated_ns),
    }


def rest_trade(window: Window, trade: VenueTrade) -> JsonObject:
    """A trade of `/data/trades`: the status has a prefix."""
    return {
        **_trade_fields(window, trade),
        "status": f"TRADE_STATUS_{trade.status.value.upper()}",
    }
