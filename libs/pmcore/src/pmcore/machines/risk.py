"""Approve or refuse a placement on the worst case, not the present case.

See docs/strategy_guide.md#the-decision.

The worst case: any of the resting, in-flight and not provably cancelled orders fill, and any of
the matched fills are taken back, whichever combination is the worst. Every limit is strict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import final

import msgspec

from pmcore.machines.inventory import Position
from pmcore.model.check import invariant
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from pmcore.model.units import PRICE_ONE_E4


class RiskRefusal(StrEnum):
    """Which limit the worst case would break."""

    NET_DIFF = "net_diff"
    PORTFOLIO_COST = "portfolio_cost"
    POSITION_VALUE = "position_value"
    OWN_CROSS = "own_cross"


class Exposure(msgspec.Struct, frozen=True):
    """Shares that may still be bought by an order that exists or is about to."""

    outcome: Outcome
    price_e4: int
    qty_u6: int


class Provisional(msgspec.Struct, frozen=True):
    """What the chain has taken, and on top of it fills each of which may still be taken back.

    The position may be `settled` with any subset of `fills`.
    """

    settled: Position
    fills: tuple[Exposure, ...] = ()

    def leaning(self, outcome: Outcome) -> Position:
        """The subset that leans most to one side: all fills of `outcome`, none of the other."""
        return filled(self.settled, (e for e in self.fills if e.outcome is outcome))

    @property
    def worst(self) -> tuple[Position, ...]:
        """The subsets of which one is the worst for each limit; sorts the fills once.

        Net and value are worst where all fills of one side stay and none of the other. The two
        averages have nothing in common, so the pair cost is worst where both are.
        """
        if not self.fills:
            return (self.settled,)
        return (*map(self.leaning, Outcome), _dearest(self.settled, self.fills))

    def can_open(self, limits: LimitParams) -> bool:
        """The user's gate on every subset, exactly as if all of them were tried."""
        return all(view.can_open(limits) for view in self.worst)


_KEY = object()
"""Only `approve` holds it: see `RiskApproved`."""


@final
class RiskApproved:
    """One order that may be placed: what is built from it was checked against every limit.

    Only `approve` can make one. The constructor raises `InvariantError` for everybody else. It
    holds for the state that it was made from: place it in the same decision, do not keep it.
    """

    __slots__ = ("_exposure",)

    def __init__(self, exposure: Exposure, key: object) -> None:
        invariant(key is _KEY, "only machines/risk.py makes a RiskApproved: call approve()")
        self._exposure = exposure

    @property
    def outcome(self) -> Outcome:
        """The outcome to buy."""
        return self._exposure.outcome

    @property
    def price_e4(self) -> int:
        """The limit price, in ten-thousandths of a dollar."""
        return self._exposure.price_e4

    @property
    def qty_u6(self) -> int:
        """The size, in millionths of a share."""
        return self._exposure.qty_u6


def approve(
    new: Exposure,
    others: Iterable[Exposure],
    views: Iterable[Position],
    limits: LimitParams,
    provisional: Provisional | None = None,
) -> RiskApproved | RiskRefusal:
    """The approval that an order is built from, or the first limit that it could break."""
    return refuse(new, others, views, limits, provisional) or RiskApproved(new, _KEY)


def refuse(
    new: Exposure,
    others: Iterable[Exposure],
    views: Iterable[Position],
    limits: LimitParams,
    provisional: Provisional | None = None,
) -> RiskRefusal | None:
    """None when `new` may be placed beside `others`; else the first limit it could break.

    Checked on each of `views`, and on every subset of `provisional`.
    """
    exposures = [e for e in others if e.qty_u6]
    for other in exposures:
        # through the merged book our own two bids would cross (docs/venue.md 4.4)
        if other.outcome is not new.outcome and other.price_e4 + new.price_e4 >= PRICE_ONE_E4:
            return RiskRefusal.OWN_CROSS
    own_side = [new, *(e for e in exposures if e.outcome is new.outcome)]
    for view in views:
        alone = filled(view, own_side)
        if refusal := _broken(alone, new.outcome, limits):
            return refusal
        if _too_dear(view, new, exposures, limits.max_portfolio_cost_e4):
            return RiskRefusal.PORTFOLIO_COST
    if provisional is None:
        return None
    alone = filled(provisional.leaning(new.outcome), own_side)
    if _leans_too_far(alone, new.outcome, limits):
        return RiskRefusal.NET_DIFF
    optional = [*exposures, *provisional.fills]
    if _too_dear(provisional.settled, new, optional, limits.max_portfolio_cost_e4):
        return RiskRefusal.PORTFOLIO_COST
    return None


def _too_dear(view: Position, new: Exposure, others: Sequence[Exposure], limit_e4: int) -> bool:
    """Whether `new` could bring the pair cost to its limit, whichever orders fill.

    Cheap fills lower an average, so that all fills together are not the worst case. Where the
    limit could be broken without `new` (after a reversed fill), all of them must mend it.
    """
    if _dearest(view, others).portfolio_cost_below(limit_e4):
        return not _dearest(view, [new, *others]).portfolio_cost_below(limit_e4)
    return not filled(view, [new, *others]).portfolio_cost_below(limit_e4)


def _dearest(view: Position, exposures: Sequence[Exposure]) -> Position:
    """The position after exactly the fills that raise its averages."""
    for exposure in sorted(exposures, key=lambda e: e.price_e4, reverse=True):
        held = view.holding(exposure.outcome)
        if exposure.price_e4 * held.qty_u6 >= held.cost_e4u6:
            view = filled(view, [exposure])
    return view


def filled(position: Position, exposures: Iterable[Exposure]) -> Position:
    """The position after all these fills."""
    for exposure in exposures:
        position = position.with_buy(exposure.outcome, exposure.price_e4, exposure.qty_u6)
    return position


def _broken(position: Position, outcome: Outcome, limits: LimitParams) -> RiskRefusal | None:
    """The limit broken in the direction that buying `outcome` moves."""
    if _leans_too_far(position, outcome, limits):
        return RiskRefusal.NET_DIFF
    if not position.value_below(outcome, limits.max_position_value_u6):
        return RiskRefusal.POSITION_VALUE
    if not position.portfolio_cost_below(limits.max_portfolio_cost_e4):
        return RiskRefusal.PORTFOLIO_COST
    return None


def _leans_too_far(position: Position, outcome: Outcome, limits: LimitParams) -> bool:
    sign = 1 if outcome is Outcome.UP else -1
    return position.net_diff_u6 * sign >= limits.max_net_diff_u6
