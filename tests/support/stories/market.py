"""A little market that keeps two books and speaks as the venue does, hashes included."""

from __future__ import annotations

from collections.abc import Iterator

from pmcore.machines.book import WindowBooks
from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    Level,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, format_price
from support.stories.dice import Dice, text
from support.venue_books import cent_window

Frame = BookSnapshot | BookDelta | TradePrinted | TickSizeChanged
SHARE = 1_000_000


class StoryMarket:
    """Both outcomes' books around one mid; some of what it says is wrong on purpose."""

    def __init__(self, dice: Dice, window: Window, *, wrong_percent: int = 3) -> None:
        self.window = window
        self.mid_e4 = 5_000
        self._dice = dice
        self._wrong = wrong_percent
        self._tick_e4 = window.tick_e4
        self._last_trade = ""
        self._books: dict[tuple[Outcome, BookSide], dict[int, int]] = {}
        self._fill_books()

    def frames(self, at_ns: int) -> list[Frame]:
        """What is said at one time."""
        roll = self._dice.upto(99)
        if roll < 6:
            self.mid_e4 += self._dice.pick((-200, -100, 100, 200))
            self.mid_e4 = min(max(self.mid_e4, 800), 9_200)
            self._fill_books()
            return [self.snapshot(outcome, at_ns) for outcome in Outcome]
        if roll < 20:
            return self._trade(at_ns)
        if roll < 21:
            return [self._finer(at_ns)]
        return [self._delta(at_ns)]

    def snapshot(self, outcome: Outcome, at_ns: int, *, after_trade: bool = False) -> BookSnapshot:
        """A whole book."""
        wrong = self._dice.chance(self._wrong)
        bids, asks = self._levels(outcome)
        origin = SnapshotOrigin.TRADE if after_trade else self._dice.pick(SnapshotOrigin)
        return BookSnapshot(
            slug=self.window.slug,
            outcome=outcome,
            bids=bids,
            asks=asks,
            hash="" if self._dice.chance(5) else "bad" if wrong else self._hash(outcome, at_ns),
            origin=origin,
            tick_e4=None if after_trade else self._tick_e4,
            last_trade=None if after_trade else self._last_trade,
            damaged="odd" if self._dice.chance(1) else "",
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns + 5,
        )

    def _fill_books(self) -> None:
        for outcome in Outcome:
            mid_e4 = self.mid_e4 if outcome is Outcome.UP else 10_000 - self.mid_e4
            for side, sign in ((BookSide.BID, -1), (BookSide.ASK, 1)):
                self._books[outcome, side] = {
                    mid_e4 + sign * 100 * n: self._dice.between(1, 50) * SHARE for n in range(1, 6)
                }

    def _levels(self, outcome: Outcome) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        bids = tuple(sorted(self._books[outcome, BookSide.BID].items()))
        asks = tuple(sorted(self._books[outcome, BookSide.ASK].items(), reverse=True))
        return bids, asks

    def _hash(self, outcome: Outcome, at_ns: int) -> str:
        bids, asks = self._levels(outcome)
        return book_hash(
            self.window,
            outcome,
            ts_event_ns=at_ns,
            bids=bids,
            asks=asks,
            tick_e4=self._tick_e4,
            last_trade=self._last_trade,
        )

    def _delta(self, at_ns: int) -> BookDelta:
        changed = []
        for _ in range(self._dice.between(1, 4)):
            outcome, side = self._dice.pick(Outcome), self._dice.pick(BookSide)
            levels = self._books[outcome, side]
            mid_e4 = self.mid_e4 if outcome is Outcome.UP else 10_000 - self.mid_e4
            sign = -1 if side is BookSide.BID else 1
            price_e4 = mid_e4 + sign * 100 * self._dice.between(1, 7)
            size_u6 = self._dice.pick((0, 1, 5, 20)) * SHARE
            levels[price_e4] = size_u6
            if not size_u6:
                del levels[price_e4]
            changed.append((outcome, side, price_e4, size_u6))
        if self._dice.chance(self._wrong):
            changed.append((Outcome.UP, BookSide.BID, 155, SHARE))  # off the grid
        changes = []
        for outcome, side, price_e4, size_u6 in changed:
            bids, asks = self._levels(outcome)
            wrong = self._dice.chance(self._wrong)
            changes.append(
                LevelChange(
                    *(outcome, side, price_e4, size_u6),
                    "bad" if wrong else self._hash(outcome, at_ns),
                    self._dice.maybe(80, bids[-1][0] if bids else 0),
                    self._dice.maybe(80, asks[-1][0] if asks else 10_000),
                )
            )
        return BookDelta(
            slug=self.window.slug,
            changes=tuple(changes),
            damaged=(Outcome.DOWN,) if self._dice.chance(1) else (),
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns + 5,
        )

    def _trade(self, at_ns: int) -> list[Frame]:
        outcome = self._dice.pick(Outcome)
        mid_e4 = self.mid_e4 if outcome is Outcome.UP else 10_000 - self.mid_e4
        price_e4 = mid_e4 + self._dice.pick((-100, 100))
        self._last_trade = format_price(price_e4) + "0"
        printed = TradePrinted(
            slug=self.window.slug if self._dice.chance(97) else "another",
            outcome=outcome,
            taker_side=self._dice.pick(TakerSide),
            price_e4=price_e4,
            size_u6=self._dice.between(1, 30) * SHARE,
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns + 5,
        )
        books = [self.snapshot(each, at_ns, after_trade=True) for each in Outcome]
        return [*books, printed] if self._dice.chance(50) else [printed, *books]

    def _finer(self, at_ns: int) -> TickSizeChanged:
        self._tick_e4 = 10
        return TickSizeChanged(
            slug=self.window.slug,
            outcome=self._dice.pick(Outcome),
            new_tick_e4=10,
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns + 5,
        )


def books() -> Iterator[str]:
    """The books of such a market, and what they make of it."""
    for seed in range(6):
        dice = Dice(100 + seed)
        market = StoryMarket(dice, cent_window(), wrong_percent=(0, 2, 2, 10, 30, 2)[seed])
        kept = WindowBooks(market.window, search_last_trade=seed != 5)
        at_ns = market.window.open_ns
        for number in range(400):
            at_ns += dice.upto(40) * NS_PER_MS
            for frame in market.frames(at_ns):
                effect = kept.apply(frame)
                yield text(effect, *(kept.state(o) for o in Outcome), kept.counters)
            yield text(*(kept.touch(outcome) for outcome in Outcome), kept.tick_e4)
            if number % 10 == 0:
                outcome = dice.pick(Outcome)
                yield text(*(kept.levels(outcome, side) for side in BookSide))
                yield text(kept.checkpoint(outcome, at_ns))
            if dice.chance(1):
                kept.reset()
