"""Which shares are paired, first in first out, and what the others cost.

See docs/invariants.md, 13: a ceiling by the average counts shares too that are paired already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmcore.model.market import Outcome


class Lot(msgspec.Struct, frozen=True):
    """Shares of one outcome bought at one price."""

    price_e4: int
    qty_u6: int


def unpaired_lots(buys: Iterable[tuple[Outcome, Lot]]) -> tuple[Lot, ...]:
    """What the next bought shares of the other outcome are paired with, in that order.

    `buys` are in the order in which they were booked. The oldest Up share is paired with the
    oldest Down share. Empty when both outcomes have equally many shares.
    """
    lots: dict[Outcome, list[Lot]] = {outcome: [] for outcome in Outcome}
    for outcome, lot in buys:
        lots[outcome].append(lot)
    held_u6 = {outcome: sum(lot.qty_u6 for lot in bought) for outcome, bought in lots.items()}
    excess = max(Outcome, key=lambda outcome: held_u6[outcome])
    paired_u6 = held_u6[excess.complement]
    left: list[Lot] = []
    for lot in lots[excess]:
        used_u6 = min(paired_u6, lot.qty_u6)
        paired_u6 -= used_u6
        if used_u6 < lot.qty_u6:
            left.append(Lot(lot.price_e4, lot.qty_u6 - used_u6))
    return tuple(left)


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
