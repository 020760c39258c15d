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

from pmcore.machines.inventory import Position
from pmcore.messages.market_data import MarketDataMessage
from pmcore.model.check import invariant
from pmcore.model.market import BookSide, Outcome, Window
from pmsim.queue.depth import MergedDepth, opposite, up_key
from pmsim.queue.displayed import DisplayedMarket
from pmsim.queue.line import FillModel, QueuedOrder, QueueFill, QueueLine


class QueueModel:
    """The queue of one window. Feed it every market-data message, in order of receipt."""

    def __init__(
        self,
        window: Window,
        acting: FillModel = FillModel.CENTRAL,
        *,
        others: Collection[FillModel] = (),
        market: DisplayedMarket | None = None,
    ) -> None:
        self._slug = window.slug
        self._market = market or DisplayedMarket()
        self.ledgers = {model: Position() for model in FillModel if model in (acting, *others)}
        """What each model has bought; a window's cost and shares."""
        self._outcomes: dict[str, Outcome] = {}
        self._line = QueueLine(acting)
        self._others = [QueueLine(model) for model in self.ledgers if model is not acting]

    @property
    def depth(self) -> MergedDepth:
        """The book that is displayed."""
        return self._market.depth

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
        event = self._market.apply(message, unseen_trade_e4=unseen_trade_e4)
        fills: list[QueueFill] = []
        if event.sweep is not None:
            side, levels = event.sweep
            fills += self._in_each(lambda line: line.on_sweep(side, levels))
        if (trade := event.trade) is not None:
            fills += self._in_each(lambda line: line.on_trade(trade))
        if (at_ns := event.book_ns) is not None:
            fills += self._in_each(lambda line: line.on_book(self.depth, at_ns))
        return fills

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
