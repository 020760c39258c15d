"""Refusals of an order that need no look at any account or book (docs/venue.md 1.6, 4.3 to 4.6)."""

from __future__ import annotations

from pmcore.model.market import Window
from pmcore.model.units import (
    DOLLAR_U6,
    NS_PER_S,
    QTY_GRID_U6,
    format_price,
    format_qty,
    is_on_grid,
    value_u6,
)
from pmsim.venue.ports import NewOrder, OrderSide, TimeInForce

GTD_LEAD_S = 180
"""How far ahead an expiration must lie."""
GTD_DEAD_S = 60
"""How long before its expiration an order becomes inactive."""
_CENT_U6 = DOLLAR_U6 // 100
AMOUNT_TEXT = (
    "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, "
    "taker amount a max of 4 decimals"
)
EXPIRATION_TEXT = "invalid expiration"
PAYLOAD_TEXT = "Invalid order payload"


def rests(order: NewOrder) -> bool:
    """Whether its type may stay in the book."""
    return order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)


def order_value_u6(order: NewOrder) -> int:
    """The cash that a BUY binds at most, without fees."""
    return order.amount_u6 or value_u6(order.price_e4, order.size_u6)


def inactive_ns(order: NewOrder) -> int:
    """When a GTD order leaves the book: a minute before what it states."""
    return (order.expiration_s - GTD_DEAD_S) * NS_PER_S


def content_refusal(order: NewOrder, window: Window, tick_e4: int, at_ns: int) -> str:
    """The venue's text, "" for a sound order."""
    name = f"order {order.order_hash}"
    if not is_on_grid(order.price_e4, tick_e4):
        return (
            f"{name} is invalid. Price ({format_price(order.price_e4)}) breaks minimum tick "
            f"size rule: {format_price(tick_e4)}"
        )
    if rests(order) and order.size_u6 < window.min_size_u6:
        return (
            f"{name} is invalid. Size ({format_qty(order.size_u6)}) lower than the minimum: "
            f"{format_qty(window.min_size_u6)}"
        )
    if order.post_only and not rests(order):
        return PAYLOAD_TEXT
    if order.amount_u6:
        return _amount_refusal(order)
    if order.size_u6 <= 0 or order.size_u6 % QTY_GRID_U6:
        return PAYLOAD_TEXT
    return _expiration_refusal(order, at_ns)


def dollar_refusal(order: NewOrder) -> str:
    """A BUY that takes must be worth a dollar."""
    worth_u6 = order_value_u6(order)
    if order.side is OrderSide.SELL or worth_u6 >= DOLLAR_U6:
        return ""
    return f"invalid amount for a marketable BUY order (${format_qty(worth_u6)}), min size: $1"


def _amount_refusal(order: NewOrder) -> str:
    if rests(order) or order.side is OrderSide.SELL or order.amount_u6 < 0:
        return PAYLOAD_TEXT
    return AMOUNT_TEXT if order.amount_u6 % _CENT_U6 else ""


def _expiration_refusal(order: NewOrder, at_ns: int) -> str:
    if order.time_in_force is TimeInForce.GTD:
        early = order.expiration_s * NS_PER_S < at_ns + GTD_LEAD_S * NS_PER_S
        return EXPIRATION_TEXT if early else ""
    return EXPIRATION_TEXT if order.expiration_s else ""
