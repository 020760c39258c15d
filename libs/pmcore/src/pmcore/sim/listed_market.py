"""One market of a simulated venue: its merged book, and the public frames about it.

Every engine event is published whole: one `price_change` frame per level, all with the same
timestamp and the hashes of both books after the event; or, when something traded, one short book
frame per token and the prints a little later (venue.md 5.2, 5.4).
"""

from __future__ import annotations

from collections.abc import Sequence

from pmcore.machines.book_hash import BookHasher, last_trade_text
from pmcore.machines.book_levels import Ladder
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, complement_e4
from pmcore.sim.frames import (
    Change,
    WholeBook,
    book_text,
    change_text,
    dump_text,
    rest_book,
    trade_text,
)
from pmcore.sim.matching import (
    BookOrder,
    Match,
    MergedBook,
    UpLevel,
    merge_levels,
    mirrored,
)
from pmcore.sim.ports import MarketFrame, OrderSide

PRINT_DELAY_NS = 35 * NS_PER_MS


class ListedMarket:
    """A market with an order book. `resolved` ends it: no frame, no order after."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.book = MergedBook()
        self.tick_e4 = window.tick_e4
        self.resolved = False
        self.winner: Outcome | None = None
        self._last_trade = ""
        self._event_ns = 0
        self._hashers = {outcome: BookHasher(window, outcome) for outcome in Outcome}
        self._ladders = {(outcome, side): Ladder(side) for outcome in Outcome for side in BookSide}

    def touch_e4(self, outcome: Outcome) -> tuple[int | None, int | None]:
        """Best bid and ask of a token's own book."""
        bids, asks = (self._ladders[outcome, side] for side in BookSide)
        return bids.best_e4, asks.best_e4

    def publish(
        self, levels: Sequence[UpLevel], at_ns: int, *, placed_on: Outcome
    ) -> list[MarketFrame]:
        """Frames of an event without a trade; the entry of the token it was placed on first."""
        changed = self._apply(levels, at_ns)
        hashes = {outcome: self._hash(outcome) for outcome in Outcome}
        frames = []
        for level in changed:
            entries = []
            for outcome in (placed_on, placed_on.complement):
                side, price_e4, size_u6 = mirrored(level, outcome)
                bid_e4, ask_e4 = self.touch_e4(outcome)
                entries.append(
                    Change(
                        outcome=outcome,
                        side=side,
                        price_e4=price_e4,
                        size_u6=size_u6,
                        hash=hashes[outcome],
                        bid_e4=bid_e4,
                        ask_e4=ask_e4,
                    )
                )
            frames.append(self._frame(at_ns, change_text(self.window, entries, at_ns)))
        return frames

    def publish_trade(
        self,
        taker: BookOrder,
        matches: Sequence[Match],
        levels: Sequence[UpLevel],
        at_ns: int,
        *,
        transaction_hash: str,
    ) -> list[MarketFrame]:
        """Frames of an event with trades: both books now, one print per price level later.

        The last trade price inside the hashes is the last maker's own price (venue.md 5.4).
        """
        self._last_trade = last_trade_text(matches[-1].price_e4)
        self._apply(levels, at_ns)
        frames = [
            self._frame(at_ns, book_text(self.window, self.whole(outcome)))
            for outcome in (taker.outcome, taker.outcome.complement)
        ]
        sizes: dict[int, int] = {}
        for match in matches:
            same = match.maker.outcome is taker.outcome
            price_e4 = match.price_e4 if same else complement_e4(match.price_e4)
            sizes[price_e4] = sizes.get(price_e4, 0) + match.qty_u6
        side = TakerSide.BUY if taker.side is OrderSide.BUY else TakerSide.SELL
        print_ns = at_ns + PRINT_DELAY_NS
        for price_e4, size_u6 in sizes.items():
            text = trade_text(
                self.window,
                outcome=taker.outcome,
                side=side,
                price_e4=price_e4,
                size_u6=size_u6,
                at_ns=print_ns,
                transaction_hash=transaction_hash,
            )
            frames.append(self._frame(print_ns, text))
        return frames

    def whole(self, outcome: Outcome) -> WholeBook:
        """A token's book as of the last event."""
        return WholeBook(
            outcome=outcome,
            bids=self._ladders[outcome, BookSide.BID].levels(),
            asks=self._ladders[outcome, BookSide.ASK].levels(),
            hash=self._hash(outcome),
            at_ns=self._event_ns,
        )

    def rest_book(self, outcome: Outcome) -> dict[str, object]:
        """`GET /book`."""
        return rest_book(self.window, self.whole(outcome), self.tick_e4, self._last_trade)

    def dump(self, outcomes: Sequence[Outcome]) -> str:
        """The frame after a subscription to these tokens."""
        books = [self.whole(outcome) for outcome in outcomes]
        return dump_text(self.window, books, self.tick_e4, self._last_trade)

    def _apply(self, levels: Sequence[UpLevel], at_ns: int) -> list[UpLevel]:
        merged = merge_levels(levels)
        for level in merged:
            for outcome in Outcome:
                side, price_e4, size_u6 = mirrored(level, outcome)
                self._ladders[outcome, side].put(price_e4, size_u6)
        self._event_ns = at_ns
        return merged

    def _hash(self, outcome: Outcome) -> str:
        hasher = self._hashers[outcome]
        bids, asks = (self._ladders[outcome, side].texts for side in BookSide)
        started = hasher.start(self._event_ns, bids, asks)
        return hasher.finish(started, self.tick_e4, self._last_trade)

    def _frame(self, at_ns: int, text: str) -> MarketFrame:
        window = self.window
        return MarketFrame(
            at_ns=at_ns,
            condition_id=window.condition_id,
            token_ids=(window.up_token_id, window.down_token_id),
            text=text,
        )
