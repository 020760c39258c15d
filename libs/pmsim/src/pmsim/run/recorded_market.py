"""One window of a recording: its verified books, our orders in its queues, its end.

An order is a bid in the queue model: a SELL at p is the same liquidity as a BUY of the complement
at 1 - p (docs/venue.md 4.4), so it stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pmcore.machines.book import WindowBooks
from pmcore.machines.book_hash import last_trade_text
from pmcore.messages.market_data import (
    FeedStatusChanged,
    Level,
    MarketDataMessage,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.units import PRICE_ONE_E4, complement_e4
from pmcore.venue.encode import book_frame, rest_book
from pmcore.venue.fields import JsonObject
from pmsim.queue.line import QueueFill
from pmsim.queue.model import QueueModel
from pmsim.venue.ports import ListedWindow, NewOrder, OrderSide, VenueOrder


class _WriteBook(Protocol):
    def __call__(
        self,
        window: Window,
        outcome: Outcome,
        *,
        bids: Sequence[Level],
        asks: Sequence[Level],
        ts_event_ns: int,
        tick_e4: int,
        last_trade: str,
    ) -> JsonObject: ...


class RecordedMarket:
    """A window as its recording has shown it so far."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.resolved = False
        self._books = WindowBooks(window)
        self._queue = QueueModel(window)
        self._last_trade = ""

    @property
    def tick_e4(self) -> int:
        """The market's tick now."""
        return self._books.tick_e4

    def apply(self, message: MarketDataMessage) -> list[QueueFill]:
        """Take recorded market data in; return the fills of our orders."""
        if isinstance(message, FeedStatusChanged | UnderlyingPriced):
            return self._queue.on_market(message)
        effect = self._books.apply(message)
        if isinstance(message, TradePrinted):
            self._last_trade = last_trade_text(message.price_e4)
        return self._queue.on_market(message, unseen_trade_e4=effect.unseen_trade_e4)

    def crosses(self, order: NewOrder, resting: Sequence[VenueOrder]) -> bool:
        """Whether an order would take from the recorded book or from one of our own."""
        outcome, price_e4 = _as_bid(self.window, order.token_id, order.side, order.price_e4)
        own = (
            _as_bid(self.window, record.token_id, record.side, record.price_e4)
            for record in resting
            if record.condition_id == self.window.condition_id
        )
        return self._queue.crosses(outcome, price_e4) or any(
            other is outcome.complement and other_e4 + price_e4 >= PRICE_ONE_E4
            for other, other_e4 in own
        )

    def rest(self, order: NewOrder, at_ns: int) -> None:
        """Put an order at the end of its queue."""
        outcome, price_e4 = _as_bid(self.window, order.token_id, order.side, order.price_e4)
        self._queue.add(order.order_hash, outcome, price_e4, order.size_u6, at_ns)

    def pull(self, order_hash: str) -> None:
        """Take an order out of its queue."""
        self._queue.remove(order_hash)

    def rest_book(self, outcome: Outcome) -> JsonObject | None:
        """`GET /book` as of now, with a hash of our own making; None while there is no book."""
        return self._written(outcome, rest_book)

    def dump_frame(self, outcome: Outcome) -> JsonObject | None:
        """The book frame of a subscription, likewise."""
        return self._written(outcome, book_frame)

    def _written(self, outcome: Outcome, write: _WriteBook) -> JsonObject | None:
        depth = self._queue.depth
        if not depth.known:
            return None
        bids, asks = depth.own_book(outcome)
        return write(
            self.window,
            outcome,
            bids=bids,
            asks=asks,
            ts_event_ns=depth.leader_ts_ns,
            tick_e4=self.tick_e4,
            last_trade=self._last_trade,
        )

    def listing(self) -> ListedWindow:
        """The window as Gamma lists it; the winner is whom the last book favoured."""
        up_e4 = self._up_price_e4()
        winner = Outcome.UP if up_e4 >= PRICE_ONE_E4 // 2 else Outcome.DOWN
        return ListedWindow(
            window=self.window,
            accepting_orders=not self.resolved,
            closed=self.resolved,
            winner=winner if self.resolved else None,
            up_price_e4=up_e4,
        )

    def _up_price_e4(self) -> int:
        bid_e4 = self._queue.depth.best(BookSide.BID) or 0
        ask_e4 = -(self._queue.depth.best(BookSide.ASK) or -PRICE_ONE_E4)
        return (bid_e4 + ask_e4) // 2


def _as_bid(window: Window, token_id: str, side: OrderSide, price_e4: int) -> tuple[Outcome, int]:
    outcome = Outcome.UP if token_id == window.up_token_id else Outcome.DOWN
    if side is OrderSide.BUY:
        return outcome, price_e4
    return outcome.complement, complement_e4(price_e4)
