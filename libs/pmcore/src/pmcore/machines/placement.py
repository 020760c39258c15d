"""From targets to commands, one side at a time: leave, place, or cancel.

See docs/strategy_guide.md#the-decision.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.machines.quoting import Quote


class PlacementAction(StrEnum):
    """WAIT: an order would be placed but must wait. LEAVE: no change is wanted."""

    LEAVE = "leave"
    WAIT = "wait"
    PLACE = "place"
    CANCEL = "cancel"


class SlotView(msgspec.Struct, frozen=True):
    """One side's slot: the resting price and leaves, or free."""

    price_e4: int = 0
    leaves_u6: int = 0
    occupied: bool = False
    cancelling: bool = False
    last_placed_ns: int | None = None
    blocked_until_ns: int = 0


def action_for(
    target: Quote | None,
    slot: SlotView,
    *,
    at_ns: int,
    debounce_ns: int,
    reprice_threshold_e4: int,
) -> PlacementAction:
    """What to do about one side. A cancel for safety (no target) never waits for the debounce."""
    if target is None:
        if not slot.occupied:
            return PlacementAction.LEAVE
        return PlacementAction.WAIT if slot.cancelling else PlacementAction.CANCEL
    debounced = slot.last_placed_ns is not None and at_ns - slot.last_placed_ns < debounce_ns
    if not slot.occupied:
        if debounced or at_ns < slot.blocked_until_ns:
            return PlacementAction.WAIT
        return PlacementAction.PLACE
    if slot.cancelling:
        return PlacementAction.WAIT
    moved = abs(target.price_e4 - slot.price_e4) > reprice_threshold_e4
    oversized = slot.leaves_u6 > target.size_u6
    if not (moved or oversized):
        return PlacementAction.LEAVE
    return PlacementAction.WAIT if debounced and not oversized else PlacementAction.CANCEL
