"""One merged order book per market, matched by price, then time.

A BUY of Down at q is an ask for Up at 1 - q, so all four kinds of order live on two sides kept in
Up prices (docs/venue.md 4.4, 4.11). A match happens at the maker's price; between two BUYs it
mints a complete set, between two SELLs it merges one. Promises: integers only; a post-only order
never takes; no order fills beyond its size; who came first at a price fills first; no order is
left with less than `grid_u6` in the book. Self-trade prevention is not established at the venue
and not done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from pmcore.model.check import invariant
from pmcore.model.market import BookSide, Outcome
from pmcore.model.units import PRICE_ONE_E4, QTY_GRID_U6, complement_e4, value_u6
from pmsim.venue.ports import OrderSide


class MatchKind(StrEnum):
    """What a match does to the supply of complete sets: nothing, +1, -1."""

    TRANSFER = "transfer"
    MINT = "mint"
    MERGE = "merge"


class Refusal(StrEnum):
    """Why nothing happened."""

    POST_ONLY_CROSSES = "post_only_crosses"
    NOT_FILLABLE = "not_fillable"
    NO_MATCH = "no_match"


class BookOrder(msgspec.Struct, kw_only=True):
    """An order as its owner wrote it: own token, own side, own price.

    A BUY with cash in `cash_u6` takes what that buys, its `leaves_u6` is 0.
    """

    order_id: str
    owner: str
    outcome: Outcome
    side: OrderSide
    price_e4: int
    leaves_u6: int
    cash_u6: int = 0

    def wants_u6(self, price_e4: int) -> int:
        """Shares it still takes at a price of its own token, on the size grid."""
        if not self.cash_u6:
            return self.leaves_u6
        return self.cash_u6 * PRICE_ONE_E4 // price_e4 // QTY_GRID_U6 * QTY_GRID_U6

    def take(self, qty_u6: int, price_e4: int) -> None:
        """Count a match at a price of its own token."""
        if self.cash_u6:
            self.cash_u6 -= value_u6(price_e4, qty_u6)
        else:
            self.leaves_u6 -= qty_u6

    @property
    def up_side(self) -> BookSide:
        """Where it rests in the merged book."""
        bids_up = (self.side is OrderSide.BUY) is (self.outcome is Outcome.UP)
        return BookSide.BID if bids_up else BookSide.ASK

    @property
    def up_price_e4(self) -> int:
        """Its price in Up terms."""
        return self.own_price_e4(self.price_e4)

    def own_price_e4(self, up_price_e4: int) -> int:
        """An Up price in its own token's terms, and back."""
        return up_price_e4 if self.outcome is Outcome.UP else complement_e4(up_price_e4)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a maker's order that traded, at the maker's own price (of the maker's token)."""

    maker: BookOrder
    qty_u6: int
    price_e4: int
    kind: MatchKind


class UpLevel(msgspec.Struct, frozen=True):
    """A level of the merged book after an event: its absolute size, 0 when it is gone."""

    side: BookSide
    price_e4: int
    size_u6: int


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """What an order did. `levels` are those it touched, in order; `rested_u6` is what stays."""

    matches: tuple[Match, ...] = ()
    rested_u6: int = 0
    levels: tuple[UpLevel, ...] = ()
    refusal: Refusal | None = None


class MergedBook:
    """The resting orders of one market. Owner ids mean nothing to it.

    `grid_u6` is the least that a level can show: of less, nothing is taken and nothing rests.
    """

    def __init__(self, grid_u6: int = 1) -> None:
        self._grid_u6 = grid_u6
        self._queues: dict[BookSide, dict[int, dict[str, BookOrder]]] = {
            side: {} for side in BookSide
        }
        self._orders: dict[str, BookOrder] = {}

    def order(self, order_id: str) -> BookOrder | None:
        """A resting order."""
        return self._orders.get(order_id)

    def best_e4(self, side: BookSide) -> int | None:
        """The best Up price of a side."""
        queues = self._queues[side]
        if not queues:
            return None
        return max(queues) if side is BookSide.BID else min(queues)

    def size_u6(self, side: BookSide, up_price_e4: int) -> int:
        """What rests at an Up price."""
        queue = self._queues[side].get(up_price_e4, {})
        return sum(order.leaves_u6 for order in queue.values())

    def crosses(self, order: BookOrder) -> bool:
        """Whether an order would take."""
        return self._reaches(order, self.best_e4(_opposite(order.up_side)))

    def fills(self, order: BookOrder) -> bool:
        """Whether all of an order would match now (FOK)."""
        side = _opposite(order.up_side)
        levels = [
            (self.size_u6(side, up_price_e4), order.own_price_e4(up_price_e4))
            for up_price_e4 in self._queues[side]
            if self._reaches(order, up_price_e4)
        ]
        if order.cash_u6:
            return sum(value_u6(price_e4, qty_u6) for qty_u6, price_e4 in levels) >= order.cash_u6
        return sum(qty_u6 for qty_u6, _ in levels) > order.leaves_u6 - self._grid_u6

    def place(self, order: BookOrder, *, post_only: bool = False) -> Placement:
        """Match what crosses, rest what is left."""
        if post_only and self.crosses(order):
            return Placement(refusal=Refusal.POST_ONLY_CROSSES)
        matches, levels = self._match(order)
        rested_u6 = order.leaves_u6 if order.leaves_u6 >= self._grid_u6 else 0
        if rested_u6:
            queue = self._queues[order.up_side].setdefault(order.up_price_e4, {})
            invariant(order.order_id not in self._orders, f"{order.order_id} rests already")
            queue[order.order_id] = self._orders[order.order_id] = order
            levels.append(self._level(order.up_side, order.up_price_e4))
        return Placement(matches=tuple(matches), rested_u6=rested_u6, levels=tuple(levels))

    def take(self, order: BookOrder, *, all_or_none: bool = False) -> Placement:
        """Match what crosses at once and drop the rest (FAK), or all of it or nothing (FOK)."""
        if all_or_none and not self.fills(order):
            return Placement(refusal=Refusal.NOT_FILLABLE)
        matches, levels = self._match(order)
        if not matches:
            return Placement(refusal=Refusal.NO_MATCH)
        return Placement(matches=tuple(matches), levels=tuple(levels))

    def is_alone(self, order_id: str) -> bool:
        """Whether a resting order is all that rests at its price."""
        order = self._orders.get(order_id)
        return order is not None and len(self._queues[order.up_side][order.up_price_e4]) == 1

    def shrink(self, order_id: str, leaves_u6: int) -> UpLevel:
        """Leave a resting order with less, in its place of the queue."""
        order = self._orders[order_id]
        invariant(0 < leaves_u6 <= order.leaves_u6, "an order only shrinks")
        order.leaves_u6 = leaves_u6
        return self._level(order.up_side, order.up_price_e4)

    def cancel(self, order_id: str) -> UpLevel | None:
        """Remove an order; return its level, None when it does not rest."""
        order = self._orders.get(order_id)
        if order is None:
            return None
        self._remove(order)
        return self._level(order.up_side, order.up_price_e4)

    def _match(self, taker: BookOrder) -> tuple[list[Match], list[UpLevel]]:
        side = _opposite(taker.up_side)
        matches: list[Match] = []
        levels: list[UpLevel] = []
        while (best_e4 := self.best_e4(side)) is not None and self._reaches(taker, best_e4):
            price_e4 = taker.own_price_e4(best_e4)
            if taker.wants_u6(price_e4) < self._grid_u6:
                break
            for maker in list(self._queues[side][best_e4].values()):
                qty_u6 = self._matched_u6(maker.leaves_u6, taker.wants_u6(price_e4))
                if not qty_u6:
                    break
                maker.leaves_u6 -= qty_u6
                taker.take(qty_u6, price_e4)
                if not maker.leaves_u6:
                    self._remove(maker)
                matches.append(
                    Match(
                        maker=maker,
                        qty_u6=qty_u6,
                        price_e4=maker.price_e4,
                        kind=_kind(taker, maker),
                    )
                )
            levels.append(self._level(side, best_e4))
        return matches, levels

    def _matched_u6(self, rests_u6: int, wanted_u6: int) -> int:
        """What trades, such that nothing smaller than the grid stays in the book."""
        if wanted_u6 < self._grid_u6:
            return 0
        if 0 < rests_u6 - wanted_u6 < self._grid_u6:
            return max(0, rests_u6 - self._grid_u6)
        return min(rests_u6, wanted_u6)

    def _reaches(self, order: BookOrder, up_price_e4: int | None) -> bool:
        if up_price_e4 is None:
            return False
        if order.up_side is BookSide.BID:
            return up_price_e4 <= order.up_price_e4
        return up_price_e4 >= order.up_price_e4

    def _remove(self, order: BookOrder) -> None:
        queues = self._queues[order.up_side]
        del queues[order.up_price_e4][order.order_id]
        if not queues[order.up_price_e4]:
            del queues[order.up_price_e4]
        del self._orders[order.order_id]

    def _level(self, side: BookSide, up_price_e4: int) -> UpLevel:
        return UpLevel(side, up_price_e4, self.size_u6(side, up_price_e4))


def mirrored(level: UpLevel, outcome: Outcome) -> tuple[BookSide, int, int]:
    """A level of the merged book as it stands in one outcome's own book."""
    if outcome is Outcome.UP:
        return level.side, level.price_e4, level.size_u6
    return _opposite(level.side), complement_e4(level.price_e4), level.size_u6


def merge_levels(levels: Sequence[UpLevel]) -> list[UpLevel]:
    """One entry per level of an event, with its last size, in order of first touch."""
    last = {(level.side, level.price_e4): level for level in levels}
    return list(last.values())


def _opposite(side: BookSide) -> BookSide:
    return BookSide.ASK if side is BookSide.BID else BookSide.BID


def _kind(taker: BookOrder, maker: BookOrder) -> MatchKind:
    if taker.outcome is maker.outcome:
        return MatchKind.TRANSFER
    return MatchKind.MINT if taker.side is OrderSide.BUY else MatchKind.MERGE
