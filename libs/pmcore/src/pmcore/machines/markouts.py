"""What the market said of each fill: the mid when we heard of it, and 1 to 60 s later.

One mid is used for both outcomes: Up's, mirrored for Down. It is kept twice (`mid2_e4`), so that
half a tick is a whole number. A mid that is not known at its time stays unknown.
"""

from __future__ import annotations

import msgspec

from pmcore.machines.ofi import FlowState
from pmcore.machines.rotation import WindowState
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4

HORIZONS_S = (1, 5, 10, 30, 60)
LATE_NS = NS_PER_S
"""A mid that is taken this long after its time, or a fill that is told so late, has no mid."""


class MarkedFill(msgspec.Struct, kw_only=True):
    """One fill and the mids of its outcome; `marks2_e4` has one for each horizon reached.

    `reason` and `ahead_u6` are of when its order was sent, `phase` and `flow` of the fill.
    """

    trade_id: str
    outcome: Outcome
    price_e4: int
    size_u6: int
    at_ns: int
    since_open_ns: int
    hedge: bool
    toxic: bool
    ofi_score_u6: int
    rested_ns: int | None
    reason: str | None = None
    ahead_u6: int | None = None
    phase: WindowState = WindowState.QUOTING
    flow: FlowState = FlowState.CALM
    mid2_e4: int | None = None
    marks2_e4: tuple[int | None, ...] = ()
    failed: bool = False

    @property
    def markouts2_e4(self) -> tuple[int | None, ...]:
        """Twice (mid - price) at each horizon: positive is good for a bid; None: not known."""
        missing = (None,) * (len(HORIZONS_S) - len(self.marks2_e4))
        return tuple(
            None if mark2_e4 is None else mark2_e4 - 2 * self.price_e4
            for mark2_e4 in (*self.marks2_e4, *missing)
        )


class Markouts:
    """All fills of a window. `advance` before each decision; a mid after the close is none."""

    def __init__(self, close_ns: int) -> None:
        self._close_ns = close_ns
        self._fills: dict[tuple[str, str], MarkedFill] = {}
        self._waiting: list[MarkedFill] = []
        self._up_mid2_e4: int | None = None
        self._mid_at_ns = -LATE_NS

    @property
    def fills(self) -> list[MarkedFill]:
        """In the order of booking, failed ones included."""
        return list(self._fills.values())

    def add(self, at_ns: int, order_hash: str, fill: MarkedFill) -> None:
        """Book a fill; its mid is that of the last decision before we heard of it."""
        known = at_ns - self._mid_at_ns < LATE_NS and at_ns - fill.at_ns < LATE_NS
        fill.mid2_e4 = _mid_of(fill.outcome, self._up_mid2_e4) if known else None
        self._fills[fill.trade_id, order_hash] = fill
        self._waiting.append(fill)

    def fail(self, trade_id: str, order_hash: str) -> None:
        """The chain refused it: it earned nothing."""
        self._fills[trade_id, order_hash].failed = True

    def advance(self, at_ns: int, up_mid2_e4: int | None) -> None:
        """Give this mid to each fill whose time has come."""
        self._up_mid2_e4, self._mid_at_ns = up_mid2_e4, at_ns
        if self._waiting:
            self._waiting = [fill for fill in self._waiting if self._mark(fill, at_ns)]

    def _mark(self, fill: MarkedFill, at_ns: int) -> bool:
        """Whether marks are still to come."""
        for horizon_s in HORIZONS_S[len(fill.marks2_e4) :]:
            due_ns = fill.at_ns + horizon_s * NS_PER_S
            if due_ns > self._close_ns:
                return False
            if due_ns > at_ns:
                return True
            known = at_ns - due_ns < LATE_NS
            mid2_e4 = _mid_of(fill.outcome, self._up_mid2_e4) if known else None
            fill.marks2_e4 = (*fill.marks2_e4, mid2_e4)
        return False


def _mid_of(outcome: Outcome, up_mid2_e4: int | None) -> int | None:
    if up_mid2_e4 is None or outcome is Outcome.UP:
        return up_mid2_e4
    return 2 * PRICE_ONE_E4 - up_mid2_e4
