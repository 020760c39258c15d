"""What was already published.

Each (trade, order, status) and each state of an order goes out once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from pmcore.messages.user import FillReported, OrderUpdated, TradeStatus

REMEMBERED = 20_000
K = TypeVar("K")
V = TypeVar("V")
_RANK = {
    TradeStatus.MATCHED: 0,
    TradeStatus.RETRYING: 1,
    TradeStatus.MINED: 2,
    TradeStatus.CONFIRMED: 3,
    TradeStatus.FAILED: 3,
}


class Dedup:
    """Bounded memory of what was published.

    Forgetting only causes a repeat, which readers accept.
    """

    def __init__(self) -> None:
        self.repeats = 0
        self._said: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._ranks: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_new(self, message: OrderUpdated | FillReported) -> bool:
        """Whether this was not said before; remembers it."""
        key = _key(message)
        if key in self._said:
            self.repeats += 1
            return False
        _remember(self._said, key, None)
        if isinstance(message, FillReported):
            fill = (message.trade_id, message.order_hash)
            rank = max(_RANK[message.status], self._ranks.get(fill, 0))
            _remember(self._ranks, fill, rank)
        return True

    def is_news(self, fill: FillReported) -> bool:
        """Whether REST has a newer state of a fill than was known.

        REST may lag behind the channel.
        """
        known = self._ranks.get((fill.trade_id, fill.order_hash))
        return known is None or _RANK[fill.status] > known

    def knows_fill(self, fill: FillReported) -> bool:
        """Whether any status of this fill was said."""
        return (fill.trade_id, fill.order_hash) in self._ranks


def _key(message: OrderUpdated | FillReported) -> tuple[object, ...]:
    if isinstance(message, FillReported):
        return message.trade_id, message.order_hash, message.status
    return message.order_hash, message.kind, message.matched_u6, message.status


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
