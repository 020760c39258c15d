"""How far flow strays by chance: the measure of netted flow (`PM_OFI_MODE=net`).

See docs/strategy_guide.md#order-flow-imbalance. If each trade's side were chance, the square of
the netted flow would on average be the sum of the squared sizes. That sum is taken over the
sliding window, and over a longer span brought to the window's length; the larger one counts. So
the measure grows with the market's own trades, needs no sample of before and has no cap, and n
trades never make a score above the root of n.
"""

from __future__ import annotations

from collections import deque
from math import isqrt

MAX_SQUARES = 4096
_BPS2 = 10_000 * 10_000


class SquareSum:
    """Sum of squared sizes inside a span. At the cap the two oldest merge: no square is lost."""

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._squares: deque[tuple[int, int]] = deque()
        self.total_u12 = 0

    def __len__(self) -> int:
        return len(self._squares)

    def add(self, at_ns: int, size_u6: int) -> None:
        """Take a trade at a time that never runs backwards."""
        square = size_u6 * size_u6
        if len(self._squares) == MAX_SQUARES:
            _, oldest = self._squares.popleft()
            next_ns, next_one = self._squares.popleft()
            self._squares.appendleft((next_ns, oldest + next_one))
        self._squares.append((at_ns, square))
        self.total_u12 += square

    def evict(self, at_ns: int) -> None:
        """Forget trades that are as old as the span, or older."""
        while self._squares and self._squares[0][0] <= at_ns - self._span_ns:
            self.total_u12 -= self._squares.popleft()[1]


class FlowScale:
    """One standard deviation of the flow in the sliding window, when sides are chance."""

    def __init__(self, window_ns: int, span_ns: int) -> None:
        self._window_ns = window_ns
        self._span_ns = span_ns
        self._window = SquareSum(window_ns)
        self._span = SquareSum(span_ns)
        self._began_ns: int | None = None
        self._covered_ns = window_ns

    def __len__(self) -> int:
        return len(self._span)

    def add(self, at_ns: int, size_u6: int) -> None:
        """Take a trade of either outcome and side."""
        self._window.add(at_ns, size_u6)
        self._span.add(at_ns, size_u6)
        self.advance(at_ns)

    def advance(self, at_ns: int) -> None:
        """Let time pass; the first call begins the span."""
        if self._began_ns is None:
            self._began_ns = at_ns
        self._window.evict(at_ns)
        self._span.evict(at_ns)
        self._covered_ns = max(min(at_ns - self._began_ns, self._span_ns), self._window_ns)

    def level_u6(self, sigmas_bps: int) -> int:
        """So many ten-thousandths of a standard deviation, in shares, rounded down."""
        covered = self._window.total_u12 * self._covered_ns
        squares = max(covered, self._span.total_u12 * self._window_ns)
        return isqrt(sigmas_bps * sigmas_bps * squares // (_BPS2 * self._covered_ns))
