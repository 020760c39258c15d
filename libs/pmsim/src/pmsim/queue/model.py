"""The place of our resting bids in the queue, and when recorded flow would fill them.

Our orders are not in the book that we watch, so each fill is an estimate, by one of three models;
docs/modelling.md says of what. One of them acts: its fills are told, and an order ends where it
ends there. The others keep ledgers of the same orders. Promises: a fill is at our price; all fills
of one public trade together never exceed its size; of an order alone in its queue the pessimistic
model never fills more than the central one, nor that one more than the optimistic one.
Deterministic; orders are bids only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from pmcore.machines.inventory import Position
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
    UnderlyingPriced,
)
from pmcore.model.check import invariant
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS
from pmsim.queue.depth import MergedDepth, opposite, spans, swept, up_key
from pmsim.queue.line import (
    PRINT_LAG_NS,
    FillModel,
    MarketTrade,
    QueuedOrder,
    QueueFill,
    QueueLine,
)

INFER_AFTER_NS = 2_000 * NS_PER_MS
"""Books after trades for this long without one print: the recording has none, infer them."""


class _Sweep(msgspec.Struct):
    """What the newest book-after-trade took from one side of the book."""

    levels: list[Level] = msgspec.field(default_factory=list)
    at_ns: int = 0


class QueueModel:
    """The queue of one window. Feed it every market-data message, in order of receipt."""

    def __init__(
        self,
        window: Window,
        acting: FillModel = FillModel.CENTRAL,
        *,
        others: Collection[FillModel] = (),
    ) -> None:
        self._slug = window.slug
        self.depth = MergedDepth()
        self.ledgers = {model: Position() for model in FillModel if model in (acting, *others)}
        """What each model has bought; a window's cost and shares."""
        self._outcomes: dict[str, Outcome] = {}
        self._sweeps = {side: _Sweep() for side in BookSide}
        self._line = QueueLine(acting)
        self._others = [QueueLine(model) for model in self.ledgers if model is not acting]
        self._prints_seen = False
        self._first_trade_book_ns: int | None = None

    def add(self, order_id: str, outcome: Outcome, price_e4: int, size_u6: int, at_ns: int) -> None:
        """Rest a bid behind all that is displayed at its price."""
        invariant(order_id not in self._line, f"order {order_id} rests already")
        self._outcomes[order_id] = outcome
        side, key = up_key(outcome, BookSide.BID, price_e4)
        ahead_u6 = self.depth.size_u6(side, key) if self.depth.known else None
        for line in (self._line, *self._others):
            line.add(QueuedOrder(order_id, price_e4, side, key, size_u6, ahead_u6, at_ns))

    def remove(self, order_id: str) -> int:
        """Take an order out; return what was left of it, 0 when it does not rest."""
        for line in self._others:
            line.remove(order_id)
        return self._line.remove(order_id)

    def ahead_u6(self, order_id: str) -> int | None:
        """Shares that must trade before ours; None while no book is known."""
        return self._line.ahead_u6(order_id)

    def crosses(self, outcome: Outcome, price_e4: int) -> bool:
        """Whether a bid would take from the merged book."""
        side, key = up_key(outcome, BookSide.BID, price_e4)
        best = self.depth.best(opposite(side))
        return best is not None and key + best >= 0

    def on_market(
        self, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[QueueFill]:
        """Apply a message; return the acting model's fills in order of priority.

        `unseen_trade_e4` is the price of a trade without a print, as found from a book's hash.
        """
        if message.slug != self._slug:
            return []
        match message:
            case BookSnapshot():
                return self._on_snapshot(message, unseen_trade_e4)
            case BookDelta():
                self.depth.change(message)
                return self._on_book(message.ts_recv_ns)
            case TradePrinted():
                return self._on_trade(message)
            case TickSizeChanged():
                self.depth.forget()
            case FeedStatusChanged():
                if message.state is FeedState.DOWN:
                    self.depth.forget()
            case UnderlyingPriced():
                pass  # no order of this market is reached by it
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
                if hit is not None and self._infers(book.ts_recv_ns):
                    levels = self._sweeps[hit].levels
                    fills = self._in_each(lambda line: line.on_sweep(hit, levels))
        return fills + self._on_book(book.ts_recv_ns)

    def _on_trade(self, trade: TradePrinted) -> list[QueueFill]:
        self._prints_seen = True
        hit = BookSide.BID if trade.taker_side is TakerSide.SELL else BookSide.ASK
        side, key = up_key(trade.outcome, hit, trade.price_e4)
        sweep = self._sweeps[side]
        recent = bool(sweep.levels) and trade.ts_recv_ns - sweep.at_ns <= PRINT_LAG_NS
        seen = MarketTrade(
            side,
            key,
            trade.size_u6,
            trade.ts_recv_ns,
            tuple(sweep.levels if recent else self.depth.levels[side].items()),
            sweep.at_ns if recent else None,
        )
        self._sweeps[side] = _Sweep()
        return self._in_each(lambda line: line.on_trade(seen))

    def _on_book(self, at_ns: int) -> list[QueueFill]:
        return self._in_each(lambda line: line.on_book(self.depth, at_ns))

    def _in_each(self, reach: Callable[[QueueLine], list[QueueFill]]) -> list[QueueFill]:
        """Let something reach the orders of every model; an order ends with the acting one's."""
        for line in self._others:
            self._book(line, reach(line))
        fills = reach(self._line)
        self._book(self._line, fills)
        for fill in fills:
            if fill.order_id not in self._line:
                for line in self._others:
                    line.remove(fill.order_id)
        return fills

    def _book(self, line: QueueLine, fills: list[QueueFill]) -> None:
        for fill in fills:
            held, outcome = self.ledgers[line.model], self._outcomes[fill.order_id]
            self.ledgers[line.model] = held.with_buy(outcome, fill.price_e4, fill.qty_u6)

    def _side_hit(self, unseen_trade_e4: int | None) -> BookSide | None:
        """The side that the trade behind a book hit; None when it cannot be told."""
        hit = [side for side in BookSide if self._sweeps[side].levels]
        if unseen_trade_e4 is not None:
            hit = [side for side in hit if spans(self._sweeps[side].levels, unseen_trade_e4)]
        return hit[0] if len(hit) == 1 else None

    def _infers(self, at_ns: int) -> bool:
        first_ns = self._first_trade_book_ns
        return not self._prints_seen and first_ns is not None and at_ns - first_ns >= INFER_AFTER_NS
