"""What the market data of one window mean for any order in its queues, whoever's it is.

The displayed book, what the newest trade took from it, and whether prints come at all. It knows no
orders, so the queues of many replays of one recording may share it.
"""

from __future__ import annotations

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
    UnderlyingPriced,
)
from pmcore.model.market import BookSide, TakerSide
from pmcore.model.units import NS_PER_MS
from pmsim.queue.depth import MergedDepth, spans, swept, up_key
from pmsim.queue.line import PRINT_LAG_NS, MarketTrade

INFER_AFTER_NS = 2_000 * NS_PER_MS
"""Books after trades for this long without one print: the recording has none, infer them."""


class _Sweep(msgspec.Struct):
    """What the newest book-after-trade took from one side of the book."""

    levels: list[Level] = msgspec.field(default_factory=list)
    at_ns: int = 0


class QueueEvent(msgspec.Struct, frozen=True):
    """What reaches the orders in a queue, in this order; empty where nothing does."""

    sweep: tuple[BookSide, list[Level]] | None = None
    """A trade that only a book shows."""
    trade: MarketTrade | None = None
    book_ns: int | None = None
    """When a new book was received."""


_NOTHING = QueueEvent()


class DisplayedMarket:
    """Feed it every market-data message of one window, in order of receipt."""

    def __init__(self) -> None:
        self.depth = MergedDepth()
        self._sweeps = {side: _Sweep() for side in BookSide}
        self._prints_seen = False
        self._first_trade_book_ns: int | None = None

    def apply(
        self, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> QueueEvent:
        """Take a message in. `unseen_trade_e4`: a trade without a print, from a book's hash."""
        match message:
            case BookSnapshot():
                return self._snapshot(message, unseen_trade_e4)
            case BookDelta():
                self.depth.change(message)
                return QueueEvent(book_ns=message.ts_recv_ns)
            case TradePrinted():
                return QueueEvent(trade=self._trade(message))
            case TickSizeChanged():
                self.depth.forget()
            case FeedStatusChanged():
                if message.state is FeedState.DOWN:
                    self.depth.forget()
            case UnderlyingPriced():
                pass  # no order of this market is reached by it
        return _NOTHING

    def _snapshot(self, book: BookSnapshot, unseen_trade_e4: int | None) -> QueueEvent:
        depth = self.depth
        if book.damaged:
            depth.forget()
            return _NOTHING
        before = depth.levels if depth.known else None
        if not depth.replace(book):
            return _NOTHING
        sweep: tuple[BookSide, list[Level]] | None = None
        if book.origin is SnapshotOrigin.TRADE:
            if self._first_trade_book_ns is None:
                self._first_trade_book_ns = book.ts_recv_ns
            if before is not None:
                for side in BookSide:
                    levels = swept(before[side], depth.levels[side])
                    self._sweeps[side] = _Sweep(levels, book.ts_recv_ns)
                hit = self._side_hit(unseen_trade_e4)
                if hit is not None and self._infers(book.ts_recv_ns):
                    sweep = hit, self._sweeps[hit].levels
        return QueueEvent(sweep=sweep, book_ns=book.ts_recv_ns)

    def _trade(self, trade: TradePrinted) -> MarketTrade:
        self._prints_seen = True
        hit = BookSide.BID if trade.taker_side is TakerSide.SELL else BookSide.ASK
        side, key = up_key(trade.outcome, hit, trade.price_e4)
        sweep = self._sweeps[side]
        recent = bool(sweep.levels) and trade.ts_recv_ns - sweep.at_ns <= PRINT_LAG_NS
        self._sweeps[side] = _Sweep()
        return MarketTrade(
            side,
            key,
            trade.size_u6,
            trade.ts_recv_ns,
            tuple(sweep.levels if recent else self.depth.levels[side].items()),
            sweep.at_ns if recent else None,
        )

    def _side_hit(self, unseen_trade_e4: int | None) -> BookSide | None:
        """The side that the trade behind a book hit; None when it cannot be told."""
        hit = [side for side in BookSide if self._sweeps[side].levels]
        if unseen_trade_e4 is not None:
            hit = [side for side in hit if spans(self._sweeps[side].levels, unseen_trade_e4)]
        return hit[0] if len(hit) == 1 else None

    def _infers(self, at_ns: int) -> bool:
        first_ns = self._first_trade_book_ns
        return not self._prints_seen and first_ns is not None and at_ns - first_ns >= INFER_AFTER_NS
