"""One market of a simulated venue: its merged book, and the public frames about it.

Every engine event is published whole: one `price_change` frame per level, all with the same
timestamp and the hashes of both books after the event, each with the touch as of its level. When
something traded: one short book frame per token, then the consumed levels as `price_change` (in a
few trades not, as recorded), and the prints a little later (docs/venue.md 5.2, 5.4).
Sizes are shown on the 0.01 grid, floored; what rests may be finer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from pmcore.machines.book_hash import BookHasher, last_trade_text
from pmcore.machines.book_levels import Ladder
from pmcore.messages.market_data import Level, LevelChange
from pmcore.model.check import invariant
from pmcore.model.market import BookSide, Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_MS, PRICE_ONE_E4, QTY_GRID_U6, complement_e4
from pmcore.venue.encode import (
    book_frame,
    price_change_frame,
    rest_book,
    spaced_text,
    tick_size_frame,
    trade_book_frame,
    trade_frame,
)
from pmcore.venue.fields import JsonObject
from pmsim.venue.matching import (
    BookOrder,
    Match,
    MergedBook,
    UpLevel,
    merge_levels,
    mirrored,
)
from pmsim.venue.ports import MarketFrame, OrderSide
from pmsim.venue.stamps import EventStamps

PRINT_DELAY_NS = 35 * NS_PER_MS
UNCHANGED_PERCENT = 7
"""Trades without a `price_change` of the consumed level: 5 of 70 in recordings."""
TICKS_E4 = (1_000, 100, 50, 25, 10, 1)
"""Every tick the venue knows (docs/venue.md 4.3)."""


def is_finer(old_tick_e4: int, tick_e4: int) -> bool:
    """Whether a market's tick may become this: finer, and no resting price falls off the grid."""
    return tick_e4 in TICKS_E4 and tick_e4 < old_tick_e4 and old_tick_e4 % tick_e4 == 0


PlacedOn = Outcome | Mapping[tuple[BookSide, int], Outcome] | None


class ListedMarket:
    """A market with an order book. `resolved` ends it: no frame, no order after.

    `rng` draws stamps out of order and trades without `price_change`; without it there are none.
    """

    def __init__(self, window: Window, rng: Random | None = None) -> None:
        self.window = window
        self.book = MergedBook(QTY_GRID_U6)
        self._rng = rng
        self._stamps = EventStamps(rng)
        self.tick_e4 = window.tick_e4
        self.resolved = False
        self._last_trade = ""
        self._event_ns = 0
        self._hashers = {outcome: BookHasher(window, outcome) for outcome in Outcome}
        self._ladders = {(outcome, side): Ladder(side) for outcome in Outcome for side in BookSide}

    def touch_e4(self, outcome: Outcome) -> tuple[int | None, int | None]:
        """Best bid and ask of a token's own book."""
        bids, asks = (self._ladders[outcome, side] for side in BookSide)
        return bids.best_e4, asks.best_e4

    def publish(
        self, levels: Sequence[UpLevel], at_ns: int, *, placed_on: PlacedOn
    ) -> list[MarketFrame]:
        """Frames of an event without a trade; the entry of the token it was placed on first.

        Where that is not known: the token in whose book the level is a bid.
        """
        changed = merge_levels(levels)
        self._event_ns = self._stamps.of(at_ns)
        touches = [self._apply([level]) for level in changed]
        return self._changes(changed, touches, at_ns, placed_on=placed_on)

    def arrive(self, levels: Sequence[UpLevel], at_ns: int) -> list[MarketFrame]:
        """Whole books of both tokens, when many orders come at once and nobody saw them come."""
        self._event_ns = self._stamps.of(at_ns)
        self._apply(levels)
        return [self._frame(at_ns, self.dump_frame(outcome)) for outcome in Outcome]

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

        The last trade price inside the hashes is the last maker's own price (docs/venue.md 5.4).
        """
        self._last_trade = last_trade_text(matches[-1].price_e4)
        self._event_ns = self._stamps.of(at_ns)
        changed = merge_levels(levels)
        touch_e4 = self._apply(changed)
        frames = []
        for outcome in (taker.outcome, taker.outcome.complement):
            bids, asks = self._levels(outcome)
            frame = trade_book_frame(
                self.window,
                outcome,
                bids=bids,
                asks=asks,
                ts_event_ns=self._event_ns,
                tick_e4=self.tick_e4,
                last_trade=self._last_trade,
            )
            frames.append(self._frame(at_ns, frame))
        if self._rng is None or self._rng.randrange(100) >= UNCHANGED_PERCENT:
            touches = [touch_e4] * len(changed)
            frames += self._changes(changed, touches, at_ns, placed_on=_placed_on(matches))
        return frames + self._prints(
            taker, matches, at_ns + PRINT_DELAY_NS, transaction_hash=transaction_hash
        )

    def change_tick(self, tick_e4: int, at_ns: int) -> list[MarketFrame]:
        """Make the grid finer: the change for each token, then both books anew.

        See docs/venue.md 4.7.
        """
        invariant(is_finer(self.tick_e4, tick_e4), "a tick only becomes finer")
        old_e4, self.tick_e4, self._event_ns = self.tick_e4, tick_e4, at_ns
        frames = [
            tick_size_frame(
                self.window, outcome, old_tick_e4=old_e4, new_tick_e4=tick_e4, ts_event_ns=at_ns
            )
            for outcome in Outcome
        ]
        frames += [self.dump_frame(outcome) for outcome in Outcome]
        return [self._frame(at_ns, frame) for frame in frames]

    def rest_book(self, outcome: Outcome) -> JsonObject:
        """`GET /book`."""
        bids, asks = self._levels(outcome)
        return rest_book(
            self.window,
            outcome,
            bids=bids,
            asks=asks,
            ts_event_ns=self._event_ns,
            tick_e4=self.tick_e4,
            last_trade=self._last_trade,
        )

    def dump_frame(self, outcome: Outcome) -> JsonObject:
        """A token's entry of the frame after a subscription."""
        bids, asks = self._levels(outcome)
        return book_frame(
            self.window,
            outcome,
            bids=bids,
            asks=asks,
            ts_event_ns=self._event_ns,
            tick_e4=self.tick_e4,
            last_trade=self._last_trade,
        )

    def _changes(
        self,
        changed: Sequence[UpLevel],
        touches: Sequence[dict[Outcome, tuple[int, int]]],
        at_ns: int,
        *,
        placed_on: PlacedOn,
    ) -> list[MarketFrame]:
        hashes = {outcome: self._hash(outcome) for outcome in Outcome}
        frames = []
        for level, touch_e4 in zip(changed, touches, strict=True):
            shown = _shown(level)
            first = _first_named(shown, placed_on)
            entries = [
                LevelChange(outcome, *mirrored(shown, outcome), hashes[outcome], *touch_e4[outcome])
                for outcome in (first, first.complement)
            ]
            frame = price_change_frame(self.window, entries, ts_event_ns=self._event_ns)
            frames.append(self._frame(at_ns, frame))
        return frames

    def _prints(
        self, taker: BookOrder, matches: Sequence[Match], print_ns: int, *, transaction_hash: str
    ) -> list[MarketFrame]:
        sizes: dict[int, int] = {}
        for match in matches:
            same = match.maker.outcome is taker.outcome
            price_e4 = match.price_e4 if same else complement_e4(match.price_e4)
            sizes[price_e4] = sizes.get(price_e4, 0) + match.qty_u6
        side = TakerSide.BUY if taker.side is OrderSide.BUY else TakerSide.SELL
        stamp_ns = self._stamps.of(print_ns)
        frames = []
        for price_e4, size_u6 in sizes.items():
            frame = trade_frame(
                self.window,
                taker.outcome,
                taker_side=side,
                price_e4=price_e4,
                size_u6=size_u6,
                ts_event_ns=stamp_ns,
                transaction_hash=transaction_hash,
            )
            frames.append(self._frame(print_ns, frame))
        return frames

    def _levels(self, outcome: Outcome) -> tuple[list[Level], list[Level]]:
        bids, asks = (self._ladders[outcome, side].levels() for side in BookSide)
        return bids, asks

    def _apply(self, levels: Sequence[UpLevel]) -> dict[Outcome, tuple[int, int]]:
        """Change levels; return each token's touch as frames give it, 0 and 1 for empty sides."""
        for level in levels:
            for outcome in Outcome:
                side, price_e4, size_u6 = mirrored(_shown(level), outcome)
                self._ladders[outcome, side].put(price_e4, size_u6)
        touches = {}
        for outcome in Outcome:
            bid_e4, ask_e4 = self.touch_e4(outcome)
            touches[outcome] = (bid_e4 or 0, ask_e4 or PRICE_ONE_E4)
        return touches

    def _hash(self, outcome: Outcome) -> str:
        hasher = self._hashers[outcome]
        bids, asks = (self._ladders[outcome, side].joined() for side in BookSide)
        started = hasher.start(self._event_ns, bids, asks)
        return hasher.finish(started, self.tick_e4, self._last_trade)

    def custom(
        self,
        frame: JsonObject,
        at_ns: int,
        *,
        outcome: Outcome | None = None,
        token_ids: tuple[str, ...] | None = None,
    ) -> MarketFrame:
        """A frame for connections with the custom feature; of one token, or of the market."""
        made = self._frame(at_ns, frame)
        if outcome is not None:
            token_ids = (self.window.token_id(outcome),)
        if token_ids is None:
            token_ids = made.token_ids
        return msgspec.structs.replace(made, token_ids=token_ids, custom=True)

    def _frame(self, at_ns: int, frame: JsonObject) -> MarketFrame:
        window = self.window
        return MarketFrame(
            at_ns=at_ns,
            condition_id=window.condition_id,
            token_ids=(window.up_token_id, window.down_token_id),
            text=spaced_text(frame),
        )


def _shown(level: UpLevel) -> UpLevel:
    """A level with its size as frames and books have it."""
    return UpLevel(level.side, level.price_e4, level.size_u6 // QTY_GRID_U6 * QTY_GRID_U6)


def _first_named(level: UpLevel, placed_on: PlacedOn) -> Outcome:
    known = placed_on
    if isinstance(placed_on, Mapping):
        known = placed_on.get((level.side, level.price_e4))
    if isinstance(known, Outcome):
        return known
    return Outcome.UP if level.side is BookSide.BID else Outcome.DOWN


def _placed_on(matches: Sequence[Match]) -> PlacedOn:
    """The token of the last maker at each consumed level."""
    return {(m.maker.up_side, m.maker.up_price_e4): m.maker.outcome for m in matches}
