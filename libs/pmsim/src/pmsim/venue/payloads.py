"""Orders and trades of a simulated venue as the venue writes them: user frames and REST rows.

Shapes: docs/venue.md 1.4, 6.2 and 6.3. Top level of a trade is the taker; `maker_orders` is
everybody's.
"""

from __future__ import annotations

from pmcore.messages.user import OrderUpdateKind
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S, format_price, format_qty
from pmsim.venue.ports import MakerFill, OrderStatus, TradeRecord, VenueOrder

Row = dict[str, object]

_REST_STATUS = {OrderStatus.DELAYED: OrderStatus.LIVE}
"""REST knows no delay (docs/venue.md 1.4)."""


def outcome_name(outcome: Outcome) -> str:
    """`Up` or `Down`, as these markets label their tokens."""
    return outcome.value.capitalize()


def order_frame(record: VenueOrder, kind: OrderUpdateKind, at_ns: int) -> Row:
    """An order event of the user channel; the size of a market BUY is in cash.

    See docs/venue.md 6.2.
    """
    return {
        "event_type": "order",
        "type": kind.value.upper(),
        "id": record.order_hash,
        "owner": record.account.owner,
        "order_owner": record.account.owner,
        "market": record.condition_id,
        "asset_id": record.token_id,
        "side": record.side.value,
        "original_size": format_qty(record.amount_u6 or record.original_u6),
        "size_matched": format_qty(record.matched_u6),
        "price": format_price(record.price_e4),
        "outcome": outcome_name(record.outcome),
        "order_type": record.time_in_force.value,
        "expiration": str(record.expiration_s),
        "created_at": str(record.created_ns // NS_PER_S),
        "timestamp": str(at_ns // NS_PER_MS),
        "maker_address": record.account.maker_address,
        "status": record.status_text or record.status.value,
        "associate_trades": list(record.trade_ids) or None,
    }


def open_order_row(record: VenueOrder) -> Row:
    """A row of `GET /data/orders`, and the answer of `GET /data/order/{id}`."""
    return {
        "id": record.order_hash,
        "status": f"ORDER_STATUS_{_REST_STATUS.get(record.status, record.status).value}",
        "owner": record.account.owner,
        "maker_address": record.account.maker_address,
        "market": record.condition_id,
        "asset_id": record.token_id,
        "side": record.side.value,
        "original_size": format_qty(record.amount_u6 or record.original_u6),
        "size_matched": format_qty(record.matched_u6),
        "price": format_price(record.price_e4),
        "outcome": outcome_name(record.outcome),
        "expiration": str(record.expiration_s),
        "order_type": record.time_in_force.value,
        "associate_trades": list(record.trade_ids),
        "created_at": record.created_ns // NS_PER_S,
    }


def trade_frame(trade: TradeRecord, owner: str, at_ns: int) -> Row:
    """A trade event of the user channel, as sent to `owner`."""
    return {
        "event_type": "trade",
        "type": "TRADE",
        **_trade_body(trade, owner),
        "status": trade.status,
        "trade_owner": trade.taker.owner,
        "match_time": str(trade.matched_ns // NS_PER_S),
        "last_update": str(trade.updated_ns // NS_PER_S),
        "timestamp": str(at_ns // NS_PER_MS),
    }


def trade_row(trade: TradeRecord, owner: str) -> Row:
    """A row of `GET /data/trades`, as `owner` reads it."""
    return {
        **_trade_body(trade, owner),
        "status": f"TRADE_STATUS_{trade.status}",
        "match_time": str(trade.matched_ns // NS_PER_S),
        "match_time_nano": str(trade.matched_ns),
        "last_update": str(trade.updated_ns // NS_PER_S),
    }


def _trade_body(trade: TradeRecord, owner: str) -> Row:
    return {
        "id": trade.trade_id,
        "taker_order_id": trade.taker_order_hash,
        "market": trade.condition_id,
        "asset_id": trade.token_id,
        "side": trade.side.value,
        "size": format_qty(trade.size_u6),
        "price": format_price(trade.price_e4),
        "outcome": outcome_name(trade.outcome),
        "owner": trade.taker.owner,
        "maker_address": trade.taker.maker_address,
        "trader_side": "TAKER" if trade.taker.owner == owner else "MAKER",
        "bucket_index": 0,
        "fee_rate_bps": "0",
        "transaction_hash": trade.transaction_hash,
        "maker_orders": [_maker_entry(fill) for fill in trade.makers],
    }


def _maker_entry(fill: MakerFill) -> Row:
    return {
        "order_id": fill.order_hash,
        "owner": fill.account.owner,
        "maker_address": fill.account.maker_address,
        "asset_id": fill.token_id,
        "outcome": outcome_name(fill.outcome),
        "side": fill.side.value,
        "price": format_price(fill.price_e4),
        "matched_amount": format_qty(fill.size_u6),
        "fee_rate_bps": "0",
    }
