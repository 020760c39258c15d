"""Where the toxicity threshold comes from: fixed, quantiles per phase, or the flow's own scale.

Adaptive (docs/strategy_guide.md#order-flow-imbalance): |score| is sampled every 200 ms after the
decision, so that a burst does not raise the threshold that should detect it; entry at Q99 and
exit at Q95 of the phase's newest samples, between the fixed threshold and a cap. A new window
starts with the samples of the last one. Net: standard deviations of the window's own flow
(`ofi_scale`), without floor, cap or samples.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import msgspec

from pmcore.machines.ofi_scale import FlowScale
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS

SAMPLE_EVERY_NS = 200 * NS_PER_MS
MAX_SAMPLES = 1500
PHASES = 3


def phase_of(elapsed_ns: int, length_ns: int) -> int:
    """0: first quarter, 1: middle half, 2: last quarter of the window."""
    if elapsed_ns * 4 < length_ns:
        return 0
    return 1 if elapsed_ns * 4 < length_ns * 3 else 2


class WarmStart(msgspec.Struct, frozen=True):
    """The newest samples of each phase, handed to the next window of the series."""

    samples_u6: tuple[tuple[int, ...], ...] = ()


class RollingQuantile:
    """Exact quantiles of the newest `MAX_SAMPLES` values."""

    def __init__(self, values: tuple[int, ...] = ()) -> None:
        self._order: deque[int] = deque(values[-MAX_SAMPLES:])
        self._sorted = sorted(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def add(self, value: int) -> None:
        """Take a sample; forget the oldest when full."""
        if len(self._order) == MAX_SAMPLES:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._order.append(value)
        insort(self._sorted, value)

    def at(self, quantile_bps: int) -> int:
        """The smallest sample with at least that share of samples at or below it."""
        rank = -(-len(self._sorted) * quantile_bps // 10_000)
        return self._sorted[max(rank, 1) - 1]

    def values(self) -> tuple[int, ...]:
        """Oldest first."""
        return tuple(self._order)


class ThresholdSource:
    """The threshold in force for one outcome."""

    def __init__(self, params: OfiParams, length_ns: int, warm: WarmStart | None = None) -> None:
        self._params = params
        self._length_ns = length_ns
        known = warm.samples_u6 if warm and len(warm.samples_u6) == PHASES else ((),) * PHASES
        self._samples = [RollingQuantile(values) for values in known]
        self._phase = 0
        self._sampled_ns: int | None = None
        self.enter_u6 = params.threshold_u6
        self._exit_u6 = 0
        self._scale: FlowScale | None = None
        if params.mode is OfiMode.NET:
            self._scale = FlowScale(params.window_ns, params.net_span_ns)
            self.enter_u6 = 0
        self._refresh()

    def trade(self, at_ns: int, size_u6: int) -> None:
        """Net mode: a trade widens the scale."""
        if self._scale is not None:
            self._scale.add(at_ns, size_u6)

    def advance(self, at_ns: int) -> None:
        """Net mode: the threshold follows the flow with time."""
        if self._scale is not None:
            self._scale.advance(at_ns)
            self.enter_u6 = self._scale.level_u6(self._params.net_sigmas_bps)

    def exit_u6(self, entered_at_u6: int) -> int:
        """The exit level frozen at entry: a ratio of the threshold then in force, or lower Q95."""
        ratio_u6 = entered_at_u6 * self._params.exit_ratio_bps // 10_000
        return min(ratio_u6, self._exit_u6) if self._exit_u6 else ratio_u6

    def sample(self, at_ns: int, elapsed_ns: int, level_u6: int) -> None:
        """Learn from |score| after a decision, at most every 200 ms."""
        if self._params.mode is not OfiMode.ADAPTIVE:
            return
        if self._sampled_ns is not None and at_ns - self._sampled_ns < SAMPLE_EVERY_NS:
            return
        self._sampled_ns = at_ns
        self._phase = phase_of(elapsed_ns, self._length_ns)
        self._samples[self._phase].add(level_u6)
        self._refresh()

    def warm_start(self) -> WarmStart:
        """What the next window should know."""
        return WarmStart(tuple(samples.values() for samples in self._samples))

    def _refresh(self) -> None:
        samples = self._samples[self._phase]
        if self._params.mode is not OfiMode.ADAPTIVE or len(samples) < self._params.min_samples:
            return
        floor_u6, cap_u6 = self._params.threshold_u6, self._params.cap_u6
        self.enter_u6 = min(max(samples.at(self._params.enter_quantile_bps), floor_u6), cap_u6)
        self._exit_u6 = min(max(samples.at(self._params.exit_quantile_bps), floor_u6), cap_u6)
