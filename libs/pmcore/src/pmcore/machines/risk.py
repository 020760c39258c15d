"""Approve or refuse a placement on the worst case, not the present case (strategy.md 2.6, 2.7).

The worst case: any of one side's, or all of, the resting, in-flight and not provably cancelled
orders fill, on the working view and on the settled view. Every limit is strict.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from pmcore.machines.inventory import Position
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


def refuse(
    new: Exposure, others: Iterable[Exposure], views: Iterable[Position], limits: LimitParams
) -> RiskRefusal | None:
    """None when `new` may be placed beside `others`; else the first limit it could break."""
    exposures = [e for e in others if e.qty_u6]
    for other in exposures:
        # through the merged book our own two bids would cross (venue.md 4.4)
        if other.outcome is not new.outcome and other.price_e4 + new.price_e4 >= PRICE_ONE_E4:
            return RiskRefusal.OWN_CROSS
    own_side = [new, *(e for e in exposures if e.outcome is new.outcome)]
    other_side = [e for e in exposures if e.outcome is not new.outcome]
    for view in views:
        alone = filled(view, own_side)
        if refusal := _broken(alone, new.outcome, limits):
            return refusal
        if not filled(alone, other_side).portfolio_cost_below(limits.max_portfolio_cost_e4):
            return RiskRefusal.PORTFOLIO_COST
    return None


def filled(position: Position, exposures: Iterable[Exposure]) -> Position:
    """The position after all these fills."""
    for exposure in exposures:
        position = position.with_buy(exposure.outcome, exposure.price_e4, exposure.qty_u6)
    return position


def _broken(position: Position, outcome: Outcome, limits: LimitParams) -> RiskRefusal | None:
    """The limit broken in the direction that buying `outcome` moves."""
    sign = 1 if outcome is Outcome.UP else -1
    if position.net_diff_u6 * sign >= limits.max_net_diff_u6:
        return RiskRefusal.NET_DIFF
    if not position.value_below(outcome, limits.max_position_value_u6):
        return RiskRefusal.POSITION_VALUE
    if not position.portfolio_cost_below(limits.max_portfolio_cost_e4):
        return RiskRefusal.PORTFOLIO_COST
    return None
