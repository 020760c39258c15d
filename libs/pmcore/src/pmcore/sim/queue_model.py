"""Where our resting bids stand in other people's queue, and when recorded flow would fill them.

Our orders are not in the book that we watch, so each fill is an estimate; docs/modelling.md says
of what. Promises: pessimistic by default; a fill is at our price; all fills of one public trade
together never exceed its size; shares that leave a level without a trade were behind us, but what
is ahead of us never exceeds what is displayed. Deterministic; orders are bids only.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, complement_e4

QueueFill = tuple[str, int, int]
"""(order_id, qty_u6, price_e4)."""

PRINT_LAG_NS = 1_000 * NS_PER_MS
"""A trade's print may come this long after the book that already shows it (venue.md 5.2: 35 ms)."""
INFER_AFTER_NS = 2_000 * NS_PER_MS
"""Books after trades for this long without one print: the recording has none, infer them."""


class _Order(msgspec.Struct):
    order_id: str
    outcome: Outcome
    price_e4: int
    leaves_u6: int
    ahead_u6: int | None  # None until a book is known
    added_ns: int
    capped_u6: int = 0  # taken off `ahead` because the book showed less, at capped_ns
    capped_ns: int = 0


class _Depth(msgspec.Struct):
    """One outcome's own book, and what the newest book-after-trade took from its bids."""

    known: bool = False
    bids: dict[int, int] = msgspec.field(default_factory=dict)
    asks: dict[int, int] = msgspec.field(default_factory=dict)
    sweep: list[Level] = msgspec.field(default_factory=list)
    sweep_ns: int = 0
    crossed_taken_u6: int = 0

    def best_bid_e4(self) -> int | None:
        return max(self.bids, default=None)

    def best_ask_e4(self) -> int | None:
        return min(self.asks, default=None)


class QueueModel:
    """The queue of one window. Feed it every market-data message, in order of receipt."""

    def __init__(self, window: Window) -> None:
        self._slug = window.slug
        self._depth = {outcome: _Depth() for outcome in Outcome}
        self._orders: dict[str, _Order] = {}
        self._prints_seen = False
        self._first_trade_book_ns: int | None = None

    def add(self, order_id: str, outcome: Outcome, price_e4: int, size_u6: int, at_ns: int) -> None:
        """Rest a bid behind all that is displayed at its price."""
        invariant(order_id not in self._orders, f"order {order_id} rests already")
        depth = self._depth[outcome]
        ahead_u6 = depth.bids.get(price_e4, 0) if depth.known else None
        self._orders[order_id] = _Order(order_id, outcome, price_e4, size_u6, ahead_u6, at_ns)

    def remove(self, order_id: str) -> int:
        """Take an order out; return what was left of it, 0 when it does not rest."""
        order = self._orders.pop(order_id, None)
        return order.leaves_u6 if order else 0

    def ahead_u6(self, order_id: str) -> int | None:
        """Shares that must trade before ours; None while no book is known."""
        return self._orders[order_id].ahead_u6

    def crosses(self, outcome: Outcome, price_e4: int) -> bool:
        """Whether a bid would take: an ask at or below it, or its mirror on the other book."""
        ask_e4 = self._depth[outcome].best_ask_e4()
        mirror_e4 = self._depth[outcome.complement].best_bid_e4()
        return (ask_e4 is not None and ask_e4 <= price_e4) or (
            mirror_e4 is not None and complement_e4(mirror_e4) <= price_e4
        )

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
                return self._on_delta(message)
            case TradePrinted():
                return self._on_trade(message)
            case TickSizeChanged():
                self._depth[message.outcome] = _Depth()
            case FeedStatusChanged():
                if message.state is FeedState.DOWN:
                    self._depth = {outcome: _Depth() for outcome in Outcome}
        return []

    def _on_snapshot(self, book: BookSnapshot, unseen_trade_e4: int | None) -> list[QueueFill]:
        if book.damaged:
            self._depth[book.outcome] = _Depth()
            return []
        depth = self._depth[book.outcome]
        bids, asks = dict(book.bids), dict(book.asks)
        fills: list[QueueFill] = []
        if book.origin is SnapshotOrigin.TRADE:
            if self._first_trade_book_ns is None:
                self._first_trade_book_ns = book.ts_recv_ns
            if depth.known:
                depth.sweep = swept(depth.bids, bids, bids=True)
                depth.sweep_ns = book.ts_recv_ns
                if self._infers(book.ts_recv_ns) and _bids_were_hit(
                    depth.sweep, swept(depth.asks, asks, bids=False), unseen_trade_e4
                ):
                    fills = self._fill_from_sweep(book.outcome, depth.sweep)
        depth.known, depth.bids, depth.asks = True, bids, asks
        return fills + self._settle_with_book(book.outcome, book.ts_recv_ns)

    def _on_delta(self, delta: BookDelta) -> list[QueueFill]:
        for change in delta.changes:
            depth = self._depth[change.outcome]
            levels = depth.bids if change.side is BookSide.BID else depth.asks
            if not depth.known:
                continue
            if change.size_u6:
                levels[change.price_e4] = change.size_u6
            else:
                levels.pop(change.price_e4, None)
        for outcome in delta.damaged:
            self._depth[outcome] = _Depth()
        if not self._orders:
            return []
        return [
            fill
            for outcome in Outcome
            for fill in self._settle_with_book(outcome, delta.ts_recv_ns)
        ]

    def _on_trade(self, trade: TradePrinted) -> list[QueueFill]:
        self._prints_seen = True
        sold = trade.taker_side is TakerSide.SELL
        outcome = trade.outcome if sold else trade.outcome.complement
        price_e4 = trade.price_e4 if sold else complement_e4(trade.price_e4)
        depth = self._depth[outcome]
        recent = bool(depth.sweep) and trade.ts_recv_ns - depth.sweep_ns <= PRINT_LAG_NS
        passed: Iterable[Level] = depth.sweep if recent else list(depth.bids.items())
        depth.sweep = []
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(outcome):
            if order.price_e4 < price_e4 or (recent and order.added_ns >= depth.sweep_ns):
                continue  # out of its reach, or it happened before we rested
            left_u6 = trade.size_u6 - _above(passed, order.price_e4) - spent_u6
            if trade.ts_recv_ns - order.capped_ns <= PRINT_LAG_NS:
                already_u6 = max(0, min(left_u6, order.capped_u6))
                order.capped_u6 -= already_u6
                left_u6 -= already_u6
            spent_u6 += self._take(order, left_u6, fills)
        return fills

    def _fill_from_sweep(self, outcome: Outcome, sweep: list[Level]) -> list[QueueFill]:
        fills: list[QueueFill] = []
        spent_u6 = 0
        for order in self._by_priority(outcome):
            at_or_below_u6 = sum(size for price, size in sweep if price <= order.price_e4)
            spent_u6 += self._take(order, at_or_below_u6 - spent_u6, fills)
        return fills

    def _take(self, order: _Order, volume_u6: int, fills: list[QueueFill]) -> int:
        """Let volume reach an order: first the queue ahead, then us. Return our part."""
        if order.ahead_u6 is None or volume_u6 <= 0:
            return 0
        eaten_u6 = min(order.ahead_u6, volume_u6)
        order.ahead_u6 -= eaten_u6
        return self._fill(order, volume_u6 - eaten_u6, fills)

    def _fill(self, order: _Order, volume_u6: int, fills: list[QueueFill]) -> int:
        qty_u6 = min(order.leaves_u6, volume_u6)
        if qty_u6 <= 0:
            return 0
        order.leaves_u6 -= qty_u6
        if order.leaves_u6 == 0:
            del self._orders[order.order_id]
        fills.append((order.order_id, qty_u6, order.price_e4))
        return qty_u6

    def _settle_with_book(self, outcome: Outcome, at_ns: int) -> list[QueueFill]:
        """Cap what is ahead of us by what is displayed, and fill what the asks ran through."""
        depth = self._depth[outcome]
        orders = self._by_priority(outcome)
        if not depth.known or not orders:
            return []
        for order in orders:
            shown_u6 = depth.bids.get(order.price_e4, 0)
            if order.ahead_u6 is None:
                order.ahead_u6 = shown_u6
            elif shown_u6 < order.ahead_u6:
                if at_ns - order.capped_ns > PRINT_LAG_NS:
                    order.capped_u6 = 0
                order.capped_u6 += order.ahead_u6 - shown_u6
                order.capped_ns = at_ns
                order.ahead_u6 = shown_u6
        return self._fill_crossed(depth, orders)

    def _fill_crossed(self, depth: _Depth, orders: list[_Order]) -> list[QueueFill]:
        ask_e4, bid_e4 = depth.best_ask_e4(), depth.best_bid_e4()
        if ask_e4 is None or ask_e4 > orders[0].price_e4:
            depth.crossed_taken_u6 = 0
            return []
        if bid_e4 is not None and bid_e4 >= ask_e4:
            return []  # half an engine event: the book itself is crossed for a moment
        fills: list[QueueFill] = []
        for order in orders:
            offered_u6 = sum(size for price, size in depth.asks.items() if price <= order.price_e4)
            depth.crossed_taken_u6 += self._fill(order, offered_u6 - depth.crossed_taken_u6, fills)
        return fills

    def _by_priority(self, outcome: Outcome) -> list[_Order]:
        orders = [order for order in self._orders.values() if order.outcome is outcome]
        return sorted(orders, key=lambda order: -order.price_e4)

    def _infers(self, at_ns: int) -> bool:
        first_ns = self._first_trade_book_ns
        return not self._prints_seen and first_ns is not None and at_ns - first_ns >= INFER_AFTER_NS


def swept(before: dict[int, int], after: dict[int, int], *, bids: bool) -> list[Level]:
    """What left one side from the touch inwards, up to the best level that stands now."""
    touch_e4 = max(after, default=0) if bids else min(after, default=PRICE_ONE_E4)
    sweep: list[Level] = []
    for price_e4 in sorted(before, reverse=bids):
        if price_e4 < touch_e4 if bids else price_e4 > touch_e4:
            break
        gone_u6 = before[price_e4] - after.get(price_e4, 0)
        if gone_u6 > 0:
            sweep.append((price_e4, gone_u6))
    return sweep


def _bids_were_hit(bids: list[Level], asks: list[Level], unseen_trade_e4: int | None) -> bool:
    """Whether the trade behind a book hit its bids; when both sides could be meant: no."""
    if unseen_trade_e4 is not None:
        bids = bids if _spans(bids, unseen_trade_e4) else []
        asks = asks if _spans(asks, unseen_trade_e4) else []
    return bool(bids) and not asks


def _spans(sweep: list[Level], trade_e4: int) -> bool:
    """Whether a market-wide trade price (ours or the complement's) lies among swept levels."""
    prices = [price_e4 for price_e4, _ in sweep]
    return bool(prices) and any(
        min(prices) <= price_e4 <= max(prices) for price_e4 in (trade_e4, complement_e4(trade_e4))
    )


def _above(levels: Iterable[Level], price_e4: int) -> int:
    return sum(size_u6 for level_e4, size_u6 in levels if level_e4 > price_e4)
