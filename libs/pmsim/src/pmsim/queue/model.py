"""The place of our resting bids in the queue, and when recorded flow would fill them.

Our orders are not in the book that we watch, so each fill is an estimate, by one of three models;
docs/modelling.md says of what. Promises: a fill is at our price; all fills of one public trade
together never exceed its size; of an order alone in its queue the pessimistic model never fills
more than the central one, nor that one more than the optimistic. Deterministic; bids only.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedState,
    FeedStatusChanged,
    Level,
    MarketDataMessage,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.check import invariant
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, QTY_GRID_U6
from pmsim.queue.depth import Key, MergedDepth, opposite, spans, swept, up_key

QueueFill = tuple[str, int, int]
"""(order_id, qty_u6, price_e4)."""

PRINT_LAG_NS = 1_000 * NS_PER_MS
"""A print may come this long after the book that already shows its trade (docs/venue.md 5.2)."""
INFER_AFTER_NS = 2_000 * NS_PER_MS
"""Books after trades for this long without one print: the recording has none, infer them."""


class FillModel(StrEnum):
    """What is assumed where a recording does not say it."""

    PESSIMISTIC = "pessimistic"
    """Cancels were all behind us; without prints, and at a touch, nothing fills."""
    CENTRAL = "central"
    """No more is ahead of us than is displayed; asks that come to our price fill what they offer."""
    OPTIMISTIC = "optimistic"
    """We are first in the queue; asks that come to our price fill all of it."""


class _QueuedOrder(msgspec.Struct):
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


class _Sweep(msgspec.Struct):
    """What the newest book-after-trade took from one side of the book."""

    levels: list[Level] = msgspec.field(default_factory=list)
    at_ns: int = 0


class QueueModel:
    """The queue of one window. Feed it every market-data message, in order of receipt."""

    def __init__(self, window: Window, model: FillModel = FillModel.CENTRAL) -> None:
        self._slug = window.slug
        self._model = model
        self.depth = MergedDepth()
        self._sweeps = {side: _Sweep() for side in BookSide}
        self._crossed_taken_u6 = dict.fromkeys(BookSide, 0)
        self._orders: dict[str, _QueuedOrder] = {}
        self._prints_seen = False
        self._first_trade_book_ns: int | None = None

    def add(self, order_id: str, outcome: Outcome, price_e4: int, size_u6: int, at_ns: int) -> None:
        """Rest a bid behind all that is displayed at its price."""
        invariant(order_id not in self._orders, f"order {order_id} rests already")
        side, key = up_key(outcome, BookSide.BID, price_e4)
        ahead_u6 = self.depth.size_u6(side, key) if self.depth.known else None
        if self._model is FillModel.OPTIMISTIC:
            ahead_u6 = 0
        self._orders[order_id] = _QueuedOrder(
            order_id, price_e4, side, key, size_u6, ahead_u6, at_ns
        )

    def remove(self, order_id: str) -> int:
        """Take an order out; return what was left of it, 0 when it does not rest."""
        order = self._orders.pop(order_id, None)
        return order.leaves_u6 if order else 0

    def ahead_u6(self, order_id: str) -> int | None:
        """Shares that must trade before ours; None while no book is known."""
        order = self._orders[order_id]
        if order.ahead_u6 is None or self._model is not FillModel.PESSIMISTIC:
            return order.ahead_u6
        return order.ahead_u6 + order.cancelled_u6

    def crosses(self, outcome: Outcome, price_e4: int) -> bool:
        """Whether a bid would take from the merged book."""
        side, key = up_key(outcome, BookSide.BID, price_e4)
        best = self.depth.best(opposite(side))
        return best is not None and key + best >= 0

    def on_market(
        self, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[QueueFill]:
        """Apply a message; return the fills in order of priority.

        `unseen_trade_e4` is the price of a trade without a print, as found from a book's hash.
        """
        if message.slug != self._slug:
            return []
        match message:
            case BookSnapshot():
                return self._on_snapshot(message, unseen_trade_e4)
            case BookDelta():
                self.depth.change(message)
                return self._settle_with_book(message.ts_recv_ns)
            case TradePrinted():
                return self._on_trade(message)
            case TickSizeChanged():
                self.depth.forget()
            case FeedStatusChanged():
                if message.state is FeedState.DOWN:
                    self.depth.forget()
        return []

    def _on_snapshot(self, book: BookSnapshot, unseen_trade_e4: int | None) -> list[QueueFill]:
        depth = self.depth
        if book.damaged:
            depth.forget()
            return []
        before = depth.levels if depth.known else None
        if not depth.replace(book):
            return []
        fills: list[QueueFill] = []
        if book.origin is SnapshotOrigin.TRADE:
            if self._first_trade_book_ns is None:
                self._first_trade_book_ns = book.ts_recv_ns
            if before is not None:
                for side in BookSide:
                    levels = swept(before[side], depth.levels[side])
                    self._sweeps[side] = _Sweep(levels, book.ts_recv_ns)
                hit = self._side_hit(unseen_trade_e4)
                infers = self._model is not FillModel.PESSIMISTIC and self._infers(book.ts_recv_ns)
                if hit is not None and infers:
                    fills = self._fill_from_sweep(hit)
        return fills + self._settle_with_book(book.ts_recv_ns)

    def _on_trade(self, trade: TradePrinted) -> list[QueueFill]:
        self._prints_seen = True
        hit = BookSide.BID if trade.taker_side is TakerSide.SELL else BookSide.ASK
        side, key = up_key(trade.outcome, hit, trade.price_e4)
        sweep = self._sweeps[side]
        recent = bool(sweep.levels) and trade.ts_recv_ns - sweep.at_ns <= PRINT_LAG_NS
        passed: Iterable[Level] = sweep.levels if recent else self.depth.levels[side].items()
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(side):
            if order.key < key or (recent and order.added_ns >= sweep.at_ns):
                continue  # out of its reach, or it happened before we rested
            if self._model is FillModel.OPTIMISTIC:
                spent_u6 += self._fill(order, trade.size_u6 - spent_u6, fills)
                continue
            if order.key > key:
                order.cancelled_u6 = 0  # it went through our price: nothing is left ahead
            left_u6 = trade.size_u6 - _above(passed, order.key) - spent_u6
            if trade.ts_recv_ns - order.capped_ns <= PRINT_LAG_NS:
                already_u6 = max(0, min(left_u6, order.capped_u6))
                order.capped_u6 -= already_u6
                order.cancelled_u6 = max(0, order.cancelled_u6 - already_u6)
                left_u6 -= already_u6
            spent_u6 += self._take(order, left_u6, fills)
        self._sweeps[side] = _Sweep()
        return fills

    def _fill_from_sweep(self, side: BookSide) -> list[QueueFill]:
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(side):
            reached_u6 = sum(size for key, size in self._sweeps[side].levels if key <= order.key)
            spent_u6 += self._take(order, reached_u6 - spent_u6, fills)
        return fills

    def _take(self, order: _QueuedOrder, volume_u6: int, fills: list[QueueFill]) -> int:
        """Let volume reach an order: first the queue ahead, then us. Return our part."""
        if order.ahead_u6 is None or volume_u6 <= 0:
            return 0
        eaten_u6 = min(order.ahead_u6, volume_u6)
        order.ahead_u6 -= eaten_u6
        volume_u6 -= eaten_u6
        if self._model is FillModel.PESSIMISTIC:
            waited_u6 = min(order.cancelled_u6, volume_u6)
            order.cancelled_u6 -= waited_u6
            volume_u6 -= waited_u6
        return self._fill(order, volume_u6, fills)

    def _fill(self, order: _QueuedOrder, volume_u6: int, fills: list[QueueFill]) -> int:
        qty_u6 = min(order.leaves_u6, volume_u6) // QTY_GRID_U6 * QTY_GRID_U6
        if qty_u6 <= 0:
            return 0
        order.leaves_u6 -= qty_u6
        if order.leaves_u6 == 0:
            del self._orders[order.order_id]
        fills.append((order.order_id, qty_u6, order.price_e4))
        return qty_u6

    def _settle_with_book(self, at_ns: int) -> list[QueueFill]:
        """Cap what is ahead of us by what is displayed, and fill what asks ran through."""
        if not self.depth.known or not self._orders:
            return []
        fills: list[QueueFill] = []
        for side in BookSide:
            orders = self._by_priority(side)
            for order in orders:
                self._cap(order, at_ns)
            fills += self._fill_crossed(side, orders)
        return fills

    def _cap(self, order: _QueuedOrder, at_ns: int) -> None:
        shown_u6 = self.depth.size_u6(order.side, order.key)
        if order.ahead_u6 is None:
            order.ahead_u6 = shown_u6
        elif shown_u6 < order.ahead_u6:
            if at_ns - order.capped_ns > PRINT_LAG_NS:
                order.capped_u6 = 0
            order.capped_u6 += order.ahead_u6 - shown_u6
            order.cancelled_u6 += order.ahead_u6 - shown_u6
            order.capped_ns = at_ns
            order.ahead_u6 = shown_u6

    def _fill_crossed(self, side: BookSide, orders: list[_QueuedOrder]) -> list[QueueFill]:
        facing = opposite(side)
        best = self.depth.best(facing)
        through = 1 if self._model is FillModel.PESSIMISTIC else 0  # keys are prices on a grid
        if best is None or not orders or best + orders[0].key < through:
            self._crossed_taken_u6[side] = 0
            return []
        if self.depth.crossed():
            return []
        fills: list[QueueFill] = []
        for order in orders:
            offered_u6 = sum(
                size
                for key, size in self.depth.levels[facing].items()
                if key + order.key >= through
            )
            left_u6 = offered_u6 - self._crossed_taken_u6[side]
            if self._model is FillModel.OPTIMISTIC and offered_u6:
                left_u6 = order.leaves_u6
            self._crossed_taken_u6[side] += self._fill(order, left_u6, fills)
        return fills

    def _by_priority(self, side: BookSide) -> list[_QueuedOrder]:
        orders = [order for order in self._orders.values() if order.side is side]
        return sorted(orders, key=lambda order: -order.key)

    def _side_hit(self, unseen_trade_e4: int | None) -> BookSide | None:
        """The side that the trade behind a book hit; None when it cannot be told."""
        hit = [side for side in BookSide if self._sweeps[side].levels]
        if unseen_trade_e4 is not None:
            hit = [side for side in hit if spans(self._sweeps[side].levels, unseen_trade_e4)]
        return hit[0] if len(hit) == 1 else None

    def _infers(self, at_ns: int) -> bool:
        first_ns = self._first_trade_book_ns
        return not self._prints_seen and first_ns is not None and at_ns - first_ns >= INFER_AFTER_NS


def _above(levels: Iterable[Level], key: Key) -> int:
    return sum(size_u6 for level_key, size_u6 in levels if level_key > key)
