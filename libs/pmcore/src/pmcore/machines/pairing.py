"""Which shares are paired, first in first out, and what the others cost.

See docs/invariants.md, 13. The hedge's ceiling and all reports of pairs come from here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from pmcore.model.market import Outcome


class Lot(msgspec.Struct, frozen=True):
    """Shares of one outcome bought at one price; when, and as which buy, where that matters."""

    price_e4: int
    qty_u6: int
    at_ns: int = 0
    number: int = 0

    def with_qty(self, qty_u6: int) -> Lot:
        """Another number of the same shares."""
        return Lot(self.price_e4, qty_u6, self.at_ns, self.number)


class Pair(msgspec.Struct, frozen=True):
    """Shares of both outcomes that belong together; one of them pays 1.00."""

    up: Lot
    down: Lot

    @property
    def cost_e4(self) -> int:
        """What one share of each cost together."""
        return self.up.price_e4 + self.down.price_e4


class Pairing(msgspec.Struct, frozen=True):
    """All shares bought: pairs in the order in which they were completed, and the rest."""

    pairs: tuple[Pair, ...] = ()
    unpaired: tuple[Lot, ...] = ()


def pair_lots(buys: Iterable[tuple[Outcome, Lot]]) -> Pairing:
    """Pair the oldest Up share with the oldest Down share; `buys` in the order of booking.

    The rest, in that order, is what the next bought shares of the other outcome are paired with.
    """
    waiting: dict[Outcome, deque[Lot]] = {outcome: deque() for outcome in Outcome}
    pairs: list[Pair] = []
    for outcome, bought in buys:
        lot, facing = bought, waiting[outcome.complement]
        while lot.qty_u6 and facing:
            oldest = facing.popleft()
            qty_u6 = min(lot.qty_u6, oldest.qty_u6)
            ours, theirs = lot.with_qty(qty_u6), oldest.with_qty(qty_u6)
            pairs.append(Pair(ours, theirs) if outcome is Outcome.UP else Pair(theirs, ours))
            lot = lot.with_qty(lot.qty_u6 - qty_u6)
            if oldest.qty_u6 > qty_u6:
                facing.appendleft(oldest.with_qty(oldest.qty_u6 - qty_u6))
        if lot.qty_u6:
            waiting[outcome].append(lot)
    return Pairing(tuple(pairs), (*waiting[Outcome.UP], *waiting[Outcome.DOWN]))


def dearest_e4(lots: Sequence[Lot], size_u6: int) -> int:
    """The highest price among the first `size_u6` shares of some lots; 0 when there is none.

    A bid may be filled in parts and at one price, so each pair that it makes has to be cheap.
    """
    dearest = 0
    for lot in lots:
        if size_u6 <= 0:
            break
        dearest = max(dearest, lot.price_e4)
        size_u6 -= lot.qty_u6
    return dearest
