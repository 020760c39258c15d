"""What the paper exchange says: its orders and the messages about them, as functions of inputs."""

from __future__ import annotations

import hashlib

import msgspec

from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S

MATCHED_TEXT = "Order already matched"
NOT_FOUND_TEXT = "Order not found"


class PaperOrder(msgspec.Struct, kw_only=True):
    """One order of the paper exchange."""

    command: SubmitOrder
    order_hash: str
    matched_u6: int = 0
    fills: int = 0
    resting: bool = False

    @property
    def filled(self) -> bool:
        """Nothing of it is left."""
        return self.matched_u6 == self.command.size_u6


MERGE_NS = 5 * NS_PER_S
"""From asking for a merge to the chain's word. A guess: no measurement of the relayer is known."""


def digest(*parts: str) -> str:
    """An id in the shape of the venue's: 0x and 64 hex digits."""
    return "0x" + hashlib.sha256("|".join(("paper", *parts)).encode()).hexdigest()


def order_hash_of(command: SubmitOrder) -> str:
    """The paper exchange's id of an order, a function of our own."""
    return digest("order", command.slug, command.client_order_id)


def updated(at_ns: int, window: Window, order: PaperOrder, kind: OrderUpdateKind) -> OrderUpdated:
    """The order event of the user channel."""
    if kind is OrderUpdateKind.CANCELLATION:
        status = "canceled"
    else:
        status = "live" if order.resting else "matched"
    return OrderUpdated(
        kind=kind,
        order_hash=order.order_hash,
        condition_id=window.condition_id,
        token_id=window.token_id(order.command.outcome),
        price_e4=order.command.price_e4,
        original_u6=order.command.size_u6,
        matched_u6=order.matched_u6,
        status=status,
        ts_event_ns=at_ns,
        ts_recv_ns=at_ns,
    )


def matched(
    at_ns: int, window: Window, order: PaperOrder, qty_u6: int, price_e4: int
) -> FillReported:
    """The newest fill of an order; its identity is (order, number of the fill)."""
    return FillReported(
        trade_id=digest("trade", order.order_hash, str(order.fills)),
        order_hash=order.order_hash,
        condition_id=window.condition_id,
        token_id=window.token_id(order.command.outcome),
        price_e4=price_e4,
        size_u6=qty_u6,
        status=TradeStatus.MATCHED,
        ts_event_ns=at_ns,
        ts_recv_ns=at_ns,
    )
