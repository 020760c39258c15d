"""The venue's answers to an order, and its texts (docs/venue.md 1.5, 1.6)."""

from __future__ import annotations

from pmcore.model.units import value_u6
from pmsim.venue.ledger import taker_price_e4
from pmsim.venue.ports import NewOrder, OrderSide, PlaceResult, TradeRecord

NOT_OPEN_TEXT = "Order not found or already canceled"
MATCHED_TEXT = "Order already matched"
POST_ONLY_TEXT = "invalid post-only order: order crosses book"
NO_BOOK_TEXT = "No orderbook exists for the requested token id"
DELAYED_TEXT = "order match delayed due to market conditions"
NOT_FILLABLE_TEXT = "order couldn't be fully filled. FOK orders are fully filled or killed."
NO_MATCH_TEXT = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no "
    "match is found."
)


def refused(order: NewOrder, text: str, http_status: int = 400) -> PlaceResult:
    """An answer that says no."""
    return PlaceResult(order_hash=order.order_hash, http_status=http_status, error=text)


def delayed(order: NewOrder) -> PlaceResult:
    """An answer that says later: a marketable order in the taker delay."""
    return PlaceResult(order_hash=order.order_hash, status="delayed")


def accepted(order: NewOrder, trade: TradeRecord | None) -> PlaceResult:
    """An answer that says yes: it rests, or `trade` is what it matched at entry."""
    if trade is None:
        return PlaceResult(order_hash=order.order_hash, status="live")
    paid_u6 = sum(
        value_u6(taker_price_e4(trade.taker_fill, maker), maker.size_u6) for maker in trade.makers
    )
    buys = trade.side is OrderSide.BUY
    return PlaceResult(
        order_hash=order.order_hash,
        status="matched",
        making_u6=paid_u6 if buys else trade.size_u6,
        taking_u6=trade.size_u6 if buys else paid_u6,
        trade_ids=(trade.trade_id,),
    )
