"""When a pair may be begun: gates on the first leg (docs/strategy_guide.md#the-first-leg).

Each gate is open unless its parameter is set. They stop new pairs only: a hedge waits for none.
"""

from __future__ import annotations

from collections import deque

from pmcore.model.params import FirstLegParams
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4


class MidRange:
    """Highest less lowest mid over a span. A mid must be noted at each decision, or be unknown."""

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._since_ns: int | None = None
        self._highest: deque[tuple[int, int]] = deque()  # (last seen, mid), mids strictly fall
        self._lowest: deque[tuple[int, int]] = deque()  # the same, mids strictly rise

    def note(self, at_ns: int, mid2_e4: int | None) -> None:
        """Take twice the mid as it is now; None begins anew, nobody knows what it did meanwhile."""
        if mid2_e4 is None:
            self._since_ns = None
            self._highest.clear()
            self._lowest.clear()
            return
        if self._since_ns is None:
            self._since_ns = at_ns
        while self._highest and self._highest[-1][1] <= mid2_e4:
            self._highest.pop()
        while self._lowest and self._lowest[-1][1] >= mid2_e4:
            self._lowest.pop()
        self._highest.append((at_ns, mid2_e4))
        self._lowest.append((at_ns, mid2_e4))
        for seen in (self._highest, self._lowest):
            while seen[0][0] <= at_ns - self._span_ns:
                seen.popleft()

    def range2_e4(self, at_ns: int) -> int | None:
        """Twice the range; None while less than the span was seen."""
        if self._since_ns is None or at_ns - self._since_ns < self._span_ns:
            return None
        return self._highest[0][1] - self._lowest[0][1]


class FirstLegGates:
    """The gates of one window. `closed` is why no pair may be begun, "" when one may."""

    def __init__(self, params: FirstLegParams, open_ns: int) -> None:
        self._params = params
        self._open_ns = open_ns
        self._mids = MidRange(params.move_span_ns)
        self._closed_ns: int | None = None
        self.closed = ""

    @property
    def any_set(self) -> bool:
        """Whether any gate may close."""
        params = self._params
        gates = (params.within_ns, params.max_move_e4, params.min_depth_share_bps)
        return any(gate is not None for gate in gates)

    def advance(self, at_ns: int, mid2_e4: int | None, depth_u6: tuple[int, int]) -> None:
        """Look at twice Up's mid and at the shares at Up's best bid and ask, at each decision."""
        self._mids.note(at_ns, mid2_e4)
        self.closed = self._too_late(at_ns) or self._moved(at_ns) or self._lopsided(depth_u6)
        if self.closed:
            self._closed_ns = at_ns
        elif self._closed_ns is not None and at_ns - self._closed_ns < self._params.calm_ns:
            wait_ms = self._params.calm_ns // 1_000_000
            self.closed = f"the gates must stay open for PM_FIRST_LEG_CALM_MS={wait_ms}"

    def _too_late(self, at_ns: int) -> str:
        within_ns = self._params.within_ns
        if within_ns is None or at_ns - self._open_ns < within_ns:
            return ""
        return f"PM_FIRST_LEG_WITHIN_S={within_ns / NS_PER_S:g} of the window are over"

    def _moved(self, at_ns: int) -> str:
        most_e4 = self._params.max_move_e4
        if most_e4 is None:
            return ""
        range2_e4 = self._mids.range2_e4(at_ns)
        span = f"PM_FIRST_LEG_MOVE_SPAN_S={self._params.move_span_ns / NS_PER_S:g}"
        if range2_e4 is None:
            return f"the mid was not seen for {span} yet"
        if range2_e4 <= 2 * most_e4:
            return ""
        return f"the mid moved by more than PM_FIRST_LEG_MAX_MOVE={most_e4 / PRICE_ONE_E4:g}"

    def _lopsided(self, depth_u6: tuple[int, int]) -> str:
        least_bps = self._params.min_depth_share_bps
        if least_bps is None:
            return ""
        thinner_u6, both_u6 = min(depth_u6), sum(depth_u6)
        if both_u6 and thinner_u6 * 10_000 >= least_bps * both_u6:
            return ""
        return (
            "the shares at the best bid and ask are lopsided: "
            f"PM_FIRST_LEG_MIN_DEPTH_SHARE={least_bps / 10_000:g}"
        )
