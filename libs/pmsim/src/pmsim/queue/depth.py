"""The merged book that the queue model watches, put together from both tokens' frames.

Prices are keys: on each side a greater key is a better price (`p` for Up bids, `-p` for Up asks),
so both sides obey the same code. The two tokens' frames say the same thing twice; the token whose
frame comes first for a moment leads, and the other's frame counts only when it is of a later
moment. So a recording of one token works as well, and a frame that lags behind does not bring the
past back.
"""

from __future__ import annotations

import msgspec

from pmcore.messages.market_data import BookDelta, BookSnapshot, Level
from pmcore.model.market import BookSide, Outcome
from pmcore.model.units import complement_e4

Key = int


def up_key(outcome: Outcome, side: BookSide, price_e4: int) -> tuple[BookSide, Key]:
    """Where an order on a token's own book stands in the merged one."""
    up_bid = (side is BookSide.BID) is (outcome is Outcome.UP)
    up_price_e4 = price_e4 if outcome is Outcome.UP else complement_e4(price_e4)
    return (BookSide.BID, up_price_e4) if up_bid else (BookSide.ASK, -up_price_e4)


def opposite(side: BookSide) -> BookSide:
    """The side that would match against this one."""
    return BookSide.ASK if side is BookSide.BID else BookSide.BID


class MergedDepth(msgspec.Struct):
    """Displayed sizes by side and key; meaningless until `known`."""

    known: bool = False
    levels: dict[BookSide, dict[Key, int]] = msgspec.field(
        default_factory=lambda: {side: {} for side in BookSide}
    )
    leader: Outcome | None = None
    leader_ts_ns: int = 0

    def best(self, side: BookSide) -> Key | None:
        """The best key of a side."""
        return max(self.levels[side], default=None)

    def size_u6(self, side: BookSide, key: Key) -> int:
        """What is displayed at a level."""
        return self.levels[side].get(key, 0)

    def own_book(self, outcome: Outcome) -> tuple[list[Level], list[Level]]:
        """Bids and asks of a token's own book, best last."""
        bid_side, _ = up_key(outcome, BookSide.BID, 0)
        bids, asks = self.levels[bid_side], self.levels[opposite(bid_side)]
        prices = abs if outcome is Outcome.UP else _complement_of_key
        return (
            [(prices(key), bids[key]) for key in sorted(bids)],
            [(prices(key), asks[key]) for key in sorted(asks)],
        )

    def crossed(self) -> bool:
        """Whether the book crosses itself: half an engine event."""
        bid, ask = self.best(BookSide.BID), self.best(BookSide.ASK)
        return bid is not None and ask is not None and bid + ask >= 0

    def replace(self, book: BookSnapshot) -> bool:
        """Take a whole book in; return False when it tells nothing new."""
        follows = self.known and self.leader not in (None, book.outcome)
        if follows and book.ts_event_ns <= self.leader_ts_ns:
            return False
        bid_side, bid_offset = up_key(book.outcome, BookSide.BID, 0)
        ask_side, ask_offset = up_key(book.outcome, BookSide.ASK, 0)
        self.levels = {  # a better bid is a greater key, a better ask too
            bid_side: {bid_offset + price_e4: size_u6 for price_e4, size_u6 in book.bids},
            ask_side: {ask_offset - price_e4: size_u6 for price_e4, size_u6 in book.asks},
        }
        self.known = True
        self.leader, self.leader_ts_ns = book.outcome, book.ts_event_ns
        return True

    def change(self, delta: BookDelta) -> None:
        """Take level changes in; both tokens' entries say the same."""
        if delta.damaged:
            self.forget()
        if not self.known:
            return
        for entry in delta.changes:
            side, key = up_key(entry.outcome, entry.side, entry.price_e4)
            if entry.size_u6:
                self.levels[side][key] = entry.size_u6
            else:
                self.levels[side].pop(key, None)
        self.leader_ts_ns = max(self.leader_ts_ns, delta.ts_event_ns)

    def forget(self) -> None:
        """Nothing is known any more."""
        self.known = False
        self.leader = None
        self.levels = {side: {} for side in BookSide}


def _complement_of_key(key: Key) -> int:
    return complement_e4(abs(key))


def swept(before: dict[Key, int], after: dict[Key, int]) -> list[Level]:
    """What left one side from the touch inwards, up to the best level that stands now."""
    touch = max(after, default=None)
    sweep: list[Level] = []
    for key in sorted(before, reverse=True):
        if touch is not None and key < touch:
            break
        gone_u6 = before[key] - after.get(key, 0)
        if gone_u6 > 0:
            sweep.append((key, gone_u6))
    return sweep


def spans(sweep: list[Level], trade_e4: int) -> bool:
    """Whether a market-wide trade price (ours or the complement's) lies among swept levels."""
    prices_e4 = [abs(key) for key, _ in sweep]
    return bool(prices_e4) and any(
        min(prices_e4) <= price_e4 <= max(prices_e4)
        for price_e4 in (trade_e4, complement_e4(trade_e4))
    )
