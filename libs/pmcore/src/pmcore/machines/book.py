"""Both order books of one window, checked against the venue's own hashes and touch.

Rules (docs/venue.md 5.2-5.5; docs/ARCHITECTURE.md):

* Order is that of arrival. A REST or checkpoint book older than what is held is not adopted.
* A whole-book frame that contradicts its hash leaves the book in GAP. Right after a trade the
  last trade price is not in the frame: candidates are tried, then a search, about 1 ms when it
  finds nothing. A mismatch then is counted but proves no gap (unverifiable without the search).
* The hash in `price_changes` holds after the last frame of an engine event. A group (outcome,
  hash) is verified once it reproduces, mismatched when another hash follows first. Concurrent
  events interleave, so mismatches are information; only `DOUBTS_LIMIT` of them in a row, with not
  one agreeing hash or touch in between, make a GAP. A hash that reproduces ends any GAP.
* A level off the tick is taken only when a hash, or a frame without one, shows a finer tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from pmcore.machines.book_hash import BookHasher, last_trade_text
from pmcore.machines.book_last_trade import LastTrade, prices_from
from pmcore.machines.book_levels import TokenBook
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.units import PRICE_ONE_E4

DOUBTS_LIMIT = 20
_USUAL_TICKS_E4 = (100, 10)
_FINEST_SILENT_TICK_E4 = 10
_MAY_BE_OLD = (SnapshotOrigin.REST, SnapshotOrigin.CHECKPOINT)


class BookState(StrEnum):
    """Only LIVE is usable. CROSSED ends by itself, GAP by a book or a hash that fits."""

    EMPTY = "empty"
    LIVE = "live"
    CROSSED = "crossed"
    GAP = "gap"


class Touch(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask, None for an empty side; `ts_recv_ns` is 0 when nothing is known."""

    bid_e4: int | None
    ask_e4: int | None
    ts_recv_ns: int


class BookEffect(msgspec.Struct, frozen=True):
    """What applying an event showed.

    `gap` says why a book went into GAP: `book_hash`, `change_hashes`, `off_grid` or `damaged`.
    `unseen_trade_e4` is the price, found in a hash, of a trade of which no print exists
    (`LastTrade.traded` says when). The venue writes the maker's price of the maker's token, so it
    may be that of either outcome.
    """

    gap: str = ""
    unseen_trade_e4: int | None = None


class BookCounters(msgspec.Struct):
    """Whole books by outcome of the check (checkpoints excluded), change groups, touches."""

    books_verified: int = 0
    books_mismatched: int = 0
    books_unverifiable: int = 0
    change_hashes_verified: int = 0
    change_hashes_mismatched: int = 0
    touch_agreements: int = 0
    touch_disagreements: int = 0


_NOTHING = BookEffect()
_UNKNOWN = Touch(None, None, 0)


class _Found(msgspec.Struct, frozen=True):
    """Tick and last trade price that reproduce a hash."""

    tick_e4: int
    last_trade: str


class _Side:
    """One outcome's book and whether it can be trusted."""

    __slots__ = (
        "book",
        "doubts",
        "gap",
        "group_hash",
        "group_verified",
        "hasher",
        "seen",
        "state",
        "touch",
    )

    def __init__(self, window: Window, outcome: Outcome) -> None:
        self.hasher = BookHasher(window, outcome)
        self.clear()

    def clear(self) -> None:
        self.book: TokenBook | None = None
        self.gap = False
        self.doubts = 0
        self.group_hash = ""
        self.group_verified = False
        self.look()

    def look(self) -> None:
        """Read state and touch anew: asked for much more often than changed, or not at all."""
        self.seen = True
        book = self.book
        if book is None:
            self.state, self.touch = BookState.EMPTY, _UNKNOWN
            return
        bid_e4, ask_e4 = book.bids.best_e4, book.asks.best_e4
        self.touch = Touch(bid_e4, ask_e4, book.ts_recv_ns)
        if self.gap:
            self.state = BookState.GAP
        elif bid_e4 is not None and ask_e4 is not None and bid_e4 >= ask_e4:
            self.state = BookState.CROSSED
        else:
            self.state = BookState.LIVE


class WindowBooks:
    """The two books of a window. `tick_e4` is the market's tick now."""

    def __init__(self, window: Window, *, search_last_trade: bool = True) -> None:
        self.window = window
        self.tick_e4 = window.tick_e4
        self.counters = BookCounters()
        self._search = search_last_trade
        self._last_trade = LastTrade()
        self._sides = {outcome: _Side(window, outcome) for outcome in Outcome}

    def apply(self, event: BookSnapshot | BookDelta | TradePrinted | TickSizeChanged) -> BookEffect:
        """Take one event of this window, in order of arrival."""
        for side in self._sides.values():
            side.seen = False
        if isinstance(event, BookDelta):
            return self._apply_delta(event)
        if isinstance(event, BookSnapshot):
            return self._apply_snapshot(event)
        if isinstance(event, TradePrinted):
            self._last_trade.printed(event.price_e4)
        elif event.new_tick_e4 < self.tick_e4:
            self.tick_e4 = event.new_tick_e4
            self.reset()
        return _NOTHING

    def reset(self) -> None:
        """Drop both books (disconnect, new tick); they are EMPTY until the next snapshot."""
        for side in self._sides.values():
            side.clear()

    def state(self, outcome: Outcome) -> BookState:
        """Whether an outcome's book can be used."""
        return self._seen(outcome).state

    def touch(self, outcome: Outcome) -> Touch:
        """The touch of an outcome's own book, whatever its state."""
        return self._seen(outcome).touch

    def _seen(self, outcome: Outcome) -> _Side:
        side = self._sides[outcome]
        if not side.seen:
            side.look()
        return side

    def depth_u6(self, outcome: Outcome) -> tuple[int, int]:
        """The shares at the best bid and ask of an outcome's own book."""
        book = self._sides[outcome].book
        return (book.bids.best_u6, book.asks.best_u6) if book is not None else (0, 0)

    def levels(self, outcome: Outcome, side: BookSide) -> Sequence[tuple[int, int]]:
        """(price_e4, size_u6) of one side, best first."""
        book = self._sides[outcome].book
        return book.side(side).levels()[::-1] if book is not None else ()

    def checkpoint(self, outcome: Outcome, ts_recv_ns: int) -> BookSnapshot | None:
        """An outcome's book for a late reader; None when there is none to be trusted."""
        side = self._sides[outcome]
        if side.book is None or side.gap:
            return None
        return BookSnapshot(
            slug=self.window.slug,
            outcome=outcome,
            bids=tuple(side.book.bids.levels()),
            asks=tuple(side.book.asks.levels()),
            hash="",
            origin=SnapshotOrigin.CHECKPOINT,
            tick_e4=self.tick_e4,
            last_trade=self._last_trade.text,
            ts_event_ns=side.book.ts_event_ns,
            ts_recv_ns=ts_recv_ns,
        )

    def _apply_snapshot(self, event: BookSnapshot) -> BookEffect:
        side = self._sides[event.outcome]
        if event.damaged:
            side.gap = True
            return BookEffect(gap="damaged")
        book = TokenBook(
            event.bids,
            event.asks,
            ts_event_ns=event.ts_event_ns,
            ts_recv_ns=event.ts_recv_ns,
        )
        found = self._reproduce(event, side.hasher, book) if event.hash else None
        mismatched = self._count_book(event, found)
        self._end_group(side, event.hash)
        held = side.book
        if (
            held is not None
            and event.origin in _MAY_BE_OLD
            and event.ts_event_ns < held.ts_event_ns
        ):
            return _NOTHING
        side.book, side.doubts = book, 0
        gap = "book_hash" if mismatched and event.last_trade is not None else ""
        unseen_trade_e4 = None
        if found is not None:
            self.tick_e4, self._last_trade.text = found.tick_e4, found.last_trade
            if event.last_trade is None:
                unseen_trade_e4 = self._last_trade.traded(
                    event.outcome, event.ts_event_ns, found.last_trade
                )
        else:
            gap = gap or self._believe(event, book)
        side.gap = bool(gap)
        return BookEffect(gap, unseen_trade_e4) if gap or unseen_trade_e4 else _NOTHING

    def _believe(self, event: BookSnapshot, book: TokenBook) -> str:
        """Take tick and last trade from a frame that no hash confirms; return a gap's reason."""
        if event.last_trade is not None:
            self._last_trade.text = event.last_trade
        if event.tick_e4 is not None and event.tick_e4 < self.tick_e4:
            self.tick_e4 = event.tick_e4
        if not book.off_grid(self.tick_e4):
            return ""
        if event.hash or book.off_grid(_FINEST_SILENT_TICK_E4):
            return "off_grid"
        self.tick_e4 = _FINEST_SILENT_TICK_E4
        return ""

    def _count_book(self, event: BookSnapshot, found: _Found | None) -> bool:
        """Count a whole book; return whether it contradicts its hash."""
        if event.origin is SnapshotOrigin.CHECKPOINT:
            return False
        if found is not None:
            self.counters.books_verified += 1
            return False
        if not event.hash or (event.last_trade is None and not self._search):
            self.counters.books_unverifiable += 1
            return False
        self.counters.books_mismatched += 1
        return True

    def _reproduce(self, event: BookSnapshot, hasher: BookHasher, book: TokenBook) -> _Found | None:
        """Find the tick and the last trade price with which a whole book has its hash."""
        started = hasher.start(event.ts_event_ns, book.bids.joined(), book.asks.joined())
        if event.tick_e4 is not None:
            ticks_e4 = [event.tick_e4]
        else:
            ticks_e4 = [self.tick_e4, *(t for t in _USUAL_TICKS_E4 if t != self.tick_e4)]
        known = event.last_trade
        texts = self._last_trade.candidates() if known is None else [known]
        for tick_e4 in ticks_e4:
            for text in texts:
                if hasher.finish(started, tick_e4, text) == event.hash:
                    return _Found(tick_e4, text)
        if known is not None or not self._search:
            return None
        near_e4 = book.likely_trades_e4()
        for tick_e4 in ticks_e4:
            for price_e4 in prices_from(near_e4):
                text = last_trade_text(price_e4)
                if hasher.finish(started, tick_e4, text) == event.hash:
                    return _Found(tick_e4, text)
        return None

    def _apply_delta(self, event: BookDelta) -> BookEffect:
        gap = ""
        sides, ts_event_ns = self._sides, event.ts_event_ns
        for change in event.changes:
            side, price_e4 = sides[change.outcome], change.price_e4
            book = side.book
            if book is None:
                continue
            if price_e4 % self.tick_e4 or not 0 < price_e4 < PRICE_ONE_E4:
                gap = _enter_gap(side, "off_grid") or gap
                continue
            ladder = book.bids if change.side is BookSide.BID else book.asks
            ladder.put(price_e4, change.size_u6)
            book.ts_recv_ns = event.ts_recv_ns
            if ts_event_ns > book.ts_event_ns:
                book.ts_event_ns = ts_event_ns
            self._compare_touch(side, book, change)
            if change.hash:
                self._check_group(side, book, change.hash, ts_event_ns)
                if side.doubts >= DOUBTS_LIMIT:
                    gap = _enter_gap(side, "change_hashes") or gap
        for outcome in event.damaged:
            if self._sides[outcome].book is not None:
                gap = _enter_gap(self._sides[outcome], "damaged") or gap
        return BookEffect(gap) if gap else _NOTHING

    def _compare_touch(self, side: _Side, book: TokenBook, change: LevelChange) -> None:
        told_bid_e4, told_ask_e4 = change.best_bid_e4, change.best_ask_e4
        if told_bid_e4 is None and told_ask_e4 is None:
            return
        bid_e4 = book.bids.best_e4 or 0
        ask_e4 = book.asks.best_e4 or PRICE_ONE_E4
        if (told_bid_e4 == bid_e4 or told_bid_e4 is None) and (
            told_ask_e4 == ask_e4 or told_ask_e4 is None
        ):
            self.counters.touch_agreements += 1
            side.doubts = 0
        else:
            self.counters.touch_disagreements += 1

    def _check_group(self, side: _Side, book: TokenBook, hash_: str, ts_event_ns: int) -> None:
        """Try to reproduce the hash that holds after the last frame of an engine event."""
        if hash_ != side.group_hash:
            self._end_group(side, hash_)
            side.group_hash, side.group_verified = hash_, False
        if side.group_verified:
            return
        hasher = side.hasher
        started = hasher.start(ts_event_ns, book.bids.joined(), book.asks.joined())
        for text in self._last_trade.candidates():
            if hasher.finish(started, self.tick_e4, text) == hash_:
                self._last_trade.text = text
                self.counters.change_hashes_verified += 1
                side.group_verified, side.gap, side.doubts = True, False, 0
                return

    def _end_group(self, side: _Side, next_hash: str) -> None:
        """Close the group of changes that another hash follows."""
        if side.group_hash and not side.group_verified and next_hash != side.group_hash:
            self.counters.change_hashes_mismatched += 1
            side.doubts += 1
        side.group_hash = ""


def _enter_gap(side: _Side, reason: str) -> str:
    """Mark a book as not to be trusted; the reason, or "" when it already was."""
    if side.gap:
        return ""
    side.gap = True
    return reason
