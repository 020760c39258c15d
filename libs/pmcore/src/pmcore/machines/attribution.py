"""Where the money of a window came from: parts that add up to cash and settlement exactly.

A share that waits goes from its price to the mid at the fill (spread), to the mid 60 s later or
until it is paired (adverse), and to the mid at its pairing or what it pays (residual). Where a
mid on this way is not known, what is left is `unknown`. All parts are twice price_e4 x qty_u6:
nothing is rounded. Makers pay no fee; a rebate is estimated apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmcore.machines.markouts import HORIZONS_S, MarkedFill
from pmcore.machines.pairing import Lot, Pair, pair_lots
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4

_ONE2_E4 = 2 * PRICE_ONE_E4
_LAST_NS = HORIZONS_S[-1] * NS_PER_S


class PnlParts(msgspec.Struct, frozen=True):
    """Twice price_e4 x qty_u6; positive: won."""

    spread2_e4u6: int = 0
    adverse2_e4u6: int = 0
    residual2_e4u6: int = 0
    unknown2_e4u6: int = 0

    @property
    def total2_e4u6(self) -> int:
        """What the shares are worth less what was paid for them."""
        return self.spread2_e4u6 + self.adverse2_e4u6 + self.residual2_e4u6 + self.unknown2_e4u6

    def plus(self, other: PnlParts) -> PnlParts:
        """Both together."""
        return PnlParts(
            self.spread2_e4u6 + other.spread2_e4u6,
            self.adverse2_e4u6 + other.adverse2_e4u6,
            self.residual2_e4u6 + other.residual2_e4u6,
            self.unknown2_e4u6 + other.unknown2_e4u6,
        )


class FillResult(msgspec.Struct):
    """One fill that did not fail. `paired_after_ns`: until its last paired share had a partner."""

    fill: MarkedFill
    parts: PnlParts = PnlParts()
    paired_u6: int = 0
    pair_cost_e4u6: int = 0
    paired_after_ns: int = 0


def attribute(fills: Sequence[MarkedFill], up_worth2_e4: int) -> list[FillResult]:
    """Each fill's parts if an Up share is worth half of `up_worth2_e4` (Down: the complement).

    A pair is worth 1.00. It becomes one at the mid at which its second leg was bought; if that
    mid is not known, the pair's value is told of its first leg, as unknown.
    """
    results = {n: FillResult(fill) for n, fill in enumerate(fills) if not fill.failed}
    pairing = pair_lots(
        (one.fill.outcome, Lot(one.fill.price_e4, one.fill.size_u6, one.fill.at_ns, number))
        for number, one in results.items()
    )
    for pair in pairing.pairs:
        _add_pair(results, pair)
    for lot in pairing.unpaired:
        one = results[lot.number]
        up = one.fill.outcome is Outcome.UP
        worth2_e4 = up_worth2_e4 if up else _ONE2_E4 - up_worth2_e4
        early = len(one.fill.marks2_e4) < len(HORIZONS_S)
        one.parts = one.parts.plus(_parts(one.fill, lot.qty_u6, worth2_e4, early=early))
    return list(results.values())


def summed(results: Iterable[FillResult]) -> PnlParts:
    """The parts of all fills together."""
    total = PnlParts()
    for one in results:
        total = total.plus(one.parts)
    return total


def _add_pair(results: dict[int, FillResult], pair: Pair) -> None:
    qty_u6 = pair.up.qty_u6
    first, second = sorted((pair.up, pair.down), key=lambda lot: lot.number)
    waited_ns = max(second.at_ns - first.at_ns, 0)
    for lot in (first, second):
        one = results[lot.number]
        one.paired_u6 += qty_u6
        one.pair_cost_e4u6 += pair.cost_e4 * qty_u6
        one.paired_after_ns = max(one.paired_after_ns, waited_ns if lot is first else 0)
    leg, hedge = results[first.number], results[second.number]
    mid2_e4 = hedge.fill.mid2_e4
    if mid2_e4 is None:
        whole2 = (_ONE2_E4 - 2 * pair.cost_e4) * qty_u6
        leg.parts = leg.parts.plus(PnlParts(unknown2_e4u6=whole2))
        return
    early = waited_ns <= _LAST_NS or len(leg.fill.marks2_e4) < len(HORIZONS_S)
    leg.parts = leg.parts.plus(_parts(leg.fill, qty_u6, _ONE2_E4 - mid2_e4, early=early))
    hedge.parts = hedge.parts.plus(_parts(hedge.fill, qty_u6, mid2_e4, early=True))


def _parts(fill: MarkedFill, qty_u6: int, end2_e4: int, *, early: bool) -> PnlParts:
    """From the price to the end; `early`: the end came before the last horizon."""
    paid2_e4, mid2_e4 = 2 * fill.price_e4, fill.mid2_e4
    later2_e4 = end2_e4 if early else fill.marks2_e4[-1]
    spread2 = mid2_e4 - paid2_e4 if mid2_e4 is not None else 0
    adverse2 = later2_e4 - mid2_e4 if mid2_e4 is not None and later2_e4 is not None else 0
    residual2 = end2_e4 - later2_e4 if later2_e4 is not None else 0
    unknown2 = end2_e4 - paid2_e4 - spread2 - adverse2 - residual2
    return PnlParts(*(part * qty_u6 for part in (spread2, adverse2, residual2, unknown2)))
