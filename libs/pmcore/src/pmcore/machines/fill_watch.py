"""What an account's events say of fills, and what they leave out: when to ask REST, and for what.

An order's event says how much was matched; a trade has to follow for all of it. A trade says
MATCHED; MINED, CONFIRMED or FAILED has to follow. What does not follow is asked for, each time
after twice the wait. Nothing here books anything.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

import msgspec

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.units import NS_PER_S

OWED_AFTER_NS = 3 * NS_PER_S
UNSETTLED_AFTER_NS = 60 * NS_PER_S
MAX_WAIT_NS = 60 * NS_PER_S
MAX_TRADE_ASKS = 6
MAX_TRADES_AT_ONCE = 20
REMEMBERED = 20_000
_PENDING = (TradeStatus.MATCHED, TradeStatus.RETRYING)
K = TypeVar("K")
V = TypeVar("V")


class FillsDue(msgspec.Struct, frozen=True):
    """What to ask for now: orders with matched shares but no trade; trades that do not settle."""

    order_hashes: tuple[str, ...] = ()
    trade_ids: tuple[str, ...] = ()


class _WatchedOrder(msgspec.Struct):
    matched_u6: int = 0
    told_u6: int = 0
    due_ns: int = 0
    asks: int = 0


class _Trade(msgspec.Struct):
    due_ns: int
    asks: int = 0


class FillWatch:
    """Feed it every message of the account, also those that were read by REST."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, _WatchedOrder] = OrderedDict()
        self._owing: dict[str, _WatchedOrder] = {}
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._trades: OrderedDict[str, _Trade] = OrderedDict()

    def hear(self, at_ns: int, message: OrderUpdated | FillReported) -> None:
        """Take in one message; a repeat changes nothing."""
        if isinstance(message, FillReported):
            self._fill(at_ns, message)
            return
        matched_u6 = message.matched_u6 or 0
        cancelled = message.kind is OrderUpdateKind.CANCELLATION
        if cancelled and matched_u6 >= message.original_u6:
            return  # recorded so of an order that was cancelled: it proves nothing
        self._judge(at_ns, message.order_hash, matched_u6=matched_u6)

    def due(self, at_ns: int) -> FillsDue:
        """What is overdue now; it is not named again before twice the wait."""
        hashes = tuple(key for key, order in self._owing.items() if at_ns >= order.due_ns)
        for key in hashes:
            order = self._owing[key]
            order.asks += 1
            order.due_ns = at_ns + min(OWED_AFTER_NS << order.asks, MAX_WAIT_NS)
        late = [key for key, trade in self._trades.items() if at_ns >= trade.due_ns]
        for key in late[:MAX_TRADES_AT_ONCE]:
            trade = self._trades[key]
            trade.asks += 1
            trade.due_ns = at_ns + (UNSETTLED_AFTER_NS << trade.asks)
            if trade.asks >= MAX_TRADE_ASKS:
                del self._trades[key]
        return FillsDue(hashes, tuple(late[:MAX_TRADES_AT_ONCE]))

    @property
    def owed_orders(self) -> int:
        """Orders with matched shares that no trade told."""
        return len(self._owing)

    @property
    def overdue(self) -> int:
        """How often the trades that are owed now were asked for at most; 0: none is overdue."""
        return max((order.asks for order in self._owing.values()), default=0)

    def _fill(self, at_ns: int, fill: FillReported) -> None:
        if fill.status not in _PENDING:
            self._trades.pop(fill.trade_id, None)
        key = (fill.trade_id, fill.order_hash)
        if key in self._told:
            return
        _remember(self._told, key, None)
        if fill.status in _PENDING:
            _remember(self._trades, fill.trade_id, _Trade(at_ns + UNSETTLED_AFTER_NS))
        self._judge(at_ns, fill.order_hash, told_u6=fill.size_u6)

    def _judge(self, at_ns: int, order_hash: str, *, matched_u6: int = 0, told_u6: int = 0) -> None:
        order = self._orders.get(order_hash) or _WatchedOrder()
        _remember(self._orders, order_hash, order)
        order.matched_u6 = max(order.matched_u6, matched_u6)
        order.told_u6 += told_u6
        if order.matched_u6 <= order.told_u6:
            self._owing.pop(order_hash, None)
        elif order_hash not in self._owing:
            order.due_ns, order.asks = at_ns + OWED_AFTER_NS, 0
            self._owing[order_hash] = order
            if len(self._owing) > REMEMBERED:
                del self._owing[next(iter(self._owing))]


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
