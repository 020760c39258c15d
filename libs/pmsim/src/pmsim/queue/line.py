"""Our resting bids in a queue, and what reaches them, by one model of what is not recorded."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from pmcore.messages.market_data import Level
from pmcore.model.market import BookSide
from pmcore.model.units import NS_PER_MS, QTY_GRID_U6
from pmsim.queue.depth import Key, MergedDepth, opposite

PRINT_LAG_NS = 1_000 * NS_PER_MS
"""A print may come this long after the book that already shows its trade (docs/venue.md 5.2)."""


class FillModel(StrEnum):
    """What is assumed where a recording does not say it."""

    PESSIMISTIC = "pessimistic"
    """Cancels were all behind us; without prints, and at a touch, nothing fills."""
    CENTRAL = "central"
    """No more is ahead than is displayed; asks that come to our price fill what they offer."""
    OPTIMISTIC = "optimistic"
    """We are first in the queue; asks that come to our price fill all of it."""


class QueueFill(NamedTuple):
    """Shares of one of our orders, at its price."""

    order_id: str
    qty_u6: int
    price_e4: int


class QueuedOrder(msgspec.Struct):
    """One bid of ours."""

    order_id: str
    price_e4: int
    side: BookSide
    key: Key
    leaves_u6: int
    ahead_u6: int | None  # None until a book is known
    added_ns: int
    capped_u6: int = 0  # taken off `ahead` because the book showed less, at capped_ns
    capped_ns: int = 0
    cancelled_u6: int = 0  # left `ahead` without a trade; the pessimistic model waits for it too


class MarketTrade(msgspec.Struct, frozen=True):
    """A public trade as the queue sees it: it took from `side` down to `key`."""

    side: BookSide
    key: Key
    size_u6: int
    at_ns: int
    passed: tuple[Level, ...]
    """What it could take: the levels it swept, or all displayed when no book showed it."""
    book_ns: int | None
    """When the book came that shows it already; None: none did."""


class QueueLine:
    """The orders of one model. All its prices are keys of the merged book."""

    def __init__(self, model: FillModel) -> None:
        self.model = model
        self._orders: dict[str, QueuedOrder] = {}
        self._crossed_taken_u6 = dict.fromkeys(BookSide, 0)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._orders

    def add(self, order: QueuedOrder) -> None:
        """Rest an order."""
        if self.model is FillModel.OPTIMISTIC:
            order.ahead_u6 = 0
        self._orders[order.order_id] = order

    def remove(self, order_id: str) -> int:
        """Take an order out; return what was left of it, 0 when it does not rest."""
        order = self._orders.pop(order_id, None)
        return order.leaves_u6 if order else 0

    def ahead_u6(self, order_id: str) -> int | None:
        """Shares that must trade before ours; None while no book is known."""
        order = self._orders[order_id]
        if order.ahead_u6 is None or self.model is not FillModel.PESSIMISTIC:
            return order.ahead_u6
        return order.ahead_u6 + order.cancelled_u6

    def on_trade(self, trade: MarketTrade) -> list[QueueFill]:
        """A printed trade: what is better than us first, then those ahead of us, then us."""
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(trade.side):
            if order.key < trade.key:
                continue
            if trade.book_ns is not None and order.added_ns >= trade.book_ns:
                continue  # it happened before we rested
            if self.model is FillModel.OPTIMISTIC:
                spent_u6 += self._fill(order, trade.size_u6 - spent_u6, fills)
                continue
            if order.key > trade.key:
                order.cancelled_u6 = 0  # it went through our price: nothing is left ahead
            left_u6 = trade.size_u6 - _above(trade.passed, order.key) - spent_u6
            if trade.at_ns - order.capped_ns <= PRINT_LAG_NS:
                already_u6 = max(0, min(left_u6, order.capped_u6))
                order.capped_u6 -= already_u6
                order.cancelled_u6 = max(0, order.cancelled_u6 - already_u6)
                left_u6 -= already_u6
            spent_u6 += self._take(order, left_u6, fills)
        return fills

    def on_sweep(self, side: BookSide, levels: Iterable[Level]) -> list[QueueFill]:
        """A trade that only a book shows; the pessimistic model believes none."""
        if self.model is FillModel.PESSIMISTIC:
            return []
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(side):
            reached_u6 = sum(size for key, size in levels if key <= order.key)
            spent_u6 += self._take(order, reached_u6 - spent_u6, fills)
        return fills

    def on_book(self, depth: MergedDepth, at_ns: int) -> list[QueueFill]:
        """Cap what is ahead of us by what is displayed, and fill what asks ran through."""
        if not depth.known or not self._orders:
            return []
        fills: list[QueueFill] = []
        for side in BookSide:
            orders = self._by_priority(side)
            if not orders:
                self._crossed_taken_u6[side] = 0
                continue
            for order in orders:
                _cap(order, depth.size_u6(side, order.key), at_ns)
            fills += self._fill_crossed(depth, side, orders)
        return fills

    def _fill_crossed(
        self, depth: MergedDepth, side: BookSide, orders: list[QueuedOrder]
    ) -> list[QueueFill]:
        facing = opposite(side)
        best = depth.best(facing)
        through = 1 if self.model is FillModel.PESSIMISTIC else 0  # keys are whole numbers
        if best is None or best + orders[0].key < through:
            self._crossed_taken_u6[side] = 0
            return []
        if depth.crossed():
            return []
        fills: list[QueueFill] = []
        for order in orders:
            offered_u6 = sum(
                size for key, size in depth.levels[facing].items() if key + order.key >= through
            )
            left_u6 = offered_u6 - self._crossed_taken_u6[side]
            if self.model is FillModel.OPTIMISTIC and offered_u6:
                left_u6 = order.leaves_u6
            self._crossed_taken_u6[side] += self._fill(order, left_u6, fills)
        return fills

    def _take(self, order: QueuedOrder, volume_u6: int, fills: list[QueueFill]) -> int:
        """Let volume reach an order: first the queue ahead, then us. Return our part."""
        if order.ahead_u6 is None or volume_u6 <= 0:
            return 0
        eaten_u6 = min(order.ahead_u6, volume_u6)
        order.ahead_u6 -= eaten_u6
        volume_u6 -= eaten_u6
        if self.model is FillModel.PESSIMISTIC:
            waited_u6 = min(order.cancelled_u6, volume_u6)
            order.cancelled_u6 -= waited_u6
            volume_u6 -= waited_u6
        return self._fill(order, volume_u6, fills)

    def _fill(self, order: QueuedOrder, volume_u6: int, fills: list[QueueFill]) -> int:
        qty_u6 = min(order.leaves_u6, volume_u6) // QTY_GRID_U6 * QTY_GRID_U6
        if qty_u6 <= 0:
            return 0
        order.leaves_u6 -= qty_u6
        if order.leaves_u6 == 0:
            del self._orders[order.order_id]
        fills.append(QueueFill(order.order_id, qty_u6, order.price_e4))
        return qty_u6

    def _by_priority(self, side: BookSide) -> list[QueuedOrder]:
        orders = [order for order in self._orders.values() if order.side is side]
        return sorted(orders, key=lambda order: -order.key)


def _cap(order: QueuedOrder, shown_u6: int, at_ns: int) -> None:
    if order.ahead_u6 is None:
        order.ahead_u6 = shown_u6
    elif shown_u6 < order.ahead_u6:
        if at_ns - order.capped_ns > PRINT_LAG_NS:
            order.capped_u6 = 0
        order.capped_u6 += order.ahead_u6 - shown_u6
        order.cancelled_u6 += order.ahead_u6 - shown_u6
        order.capped_ns = at_ns
        order.ahead_u6 = shown_u6


def _above(levels: Iterable[Level], key: Key) -> int:
    return sum(size_u6 for level_key, size_u6 in levels if level_key > key)
