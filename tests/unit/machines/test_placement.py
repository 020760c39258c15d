from __future__ import annotations

import pytest

from pmcore.machines.placement import PlacementAction as A
from pmcore.machines.placement import SlotView, action_for
from pmcore.machines.quoting import Quote

NOW, DEBOUNCE = 10_000, 200
RESTING = SlotView(price_e4=4700, leaves_u6=5, occupied=True, last_placed_ns=0)
FRESH = SlotView(price_e4=4700, leaves_u6=5, occupied=True, last_placed_ns=NOW - 100)
GOING = SlotView(price_e4=4700, leaves_u6=5, occupied=True, cancelling=True)


@pytest.mark.parametrize(
    ("target", "slot", "action"),
    [
        (None, SlotView(), A.LEAVE),
        (None, RESTING, A.CANCEL),
        (None, FRESH, A.CANCEL),
        (None, GOING, A.WAIT),
        (Quote(4700, 5), SlotView(), A.PLACE),
        (Quote(4700, 5), SlotView(last_placed_ns=NOW - 199), A.WAIT),
        (Quote(4700, 5), SlotView(last_placed_ns=NOW - 200), A.PLACE),
        (Quote(4700, 5), SlotView(blocked_until_ns=NOW + 1), A.WAIT),
        (Quote(4750, 5), RESTING, A.LEAVE),
        (Quote(4751, 5), RESTING, A.CANCEL),
        (Quote(4649, 5), RESTING, A.CANCEL),
        (Quote(4649, 5), FRESH, A.WAIT),
        (Quote(4700, 4), RESTING, A.CANCEL),
        (Quote(4700, 4), FRESH, A.CANCEL),
        (Quote(4700, 9), RESTING, A.LEAVE),
        (Quote(4800, 5), GOING, A.WAIT),
    ],
)
def test_one_side(target: Quote | None, slot: SlotView, action: A) -> None:
    decided = action_for(target, slot, at_ns=NOW, debounce_ns=DEBOUNCE, reprice_threshold_e4=50)
    assert decided is action
