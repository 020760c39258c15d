"""Order-flow imbalance per outcome, and the toxicity it means.

See docs/strategy_guide.md#order-flow-imbalance.

score = taker buys - taker sells in shares over a sliding window of public trades; in net mode a
trade of one outcome also counts in the other one, with the opposite side. Time moves the state
too, not only trades, so a silent market becomes calm: `advance` must be called on every tick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum

from pmcore.machines.ofi_threshold import ThresholdSource
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import OfiMode, OfiParams

MAX_TRADES = 4096


class FlowState(StrEnum):
    """CALM may quote; TOXIC and RECOVERING may not."""

    CALM = "calm"
    TOXIC = "toxic"
    RECOVERING = "recovering"


class TradeFlow:
    """Signed trade sizes inside the window. At the cap the two oldest merge: no flow is lost."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._trades: deque[tuple[int, int, int]] = deque()
        self.buys_u6 = 0
        self.sells_u6 = 0

    @property
    def score_u6(self) -> int:
        """Taker buys minus taker sells."""
        return self.buys_u6 - self.sells_u6

    def add(self, at_ns: int, side: TakerSide, size_u6: int) -> None:
        """Count a trade received at `at_ns`."""
        buy, sell = (size_u6, 0) if side is TakerSide.BUY else (0, size_u6)
        if len(self._trades) == MAX_TRADES:
            _, buy_0, sell_0 = self._trades.popleft()
            ts_1, buy_1, sell_1 = self._trades.popleft()
            self._trades.appendleft((ts_1, buy_0 + buy_1, sell_0 + sell_1))
        self._trades.append((at_ns, buy, sell))
        self.buys_u6 += buy
        self.sells_u6 += sell

    def evict(self, at_ns: int) -> None:
        """Forget trades that are `window_ns` old or older."""
        horizon_ns = at_ns - self._window_ns
        while self._trades and self._trades[0][0] <= horizon_ns:
            _, buy, sell = self._trades.popleft()
            self.buys_u6 -= buy
            self.sells_u6 -= sell


class MidHistory:
    """Twice the mid over the window, for the adverse-move confirmation."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._mids: deque[tuple[int, int]] = deque(maxlen=MAX_TRADES)

    def note(self, at_ns: int, mid2_e4: int) -> None:
        """Remember a mid (bid + ask, so twice the mid)."""
        if not self._mids or self._mids[-1][1] != mid2_e4:
            self._mids.append((at_ns, mid2_e4))

    def move2_e4(self, at_ns: int) -> int:
        """Twice the move of the mid over the window ending at `at_ns`."""
        horizon_ns = at_ns - self._window_ns
        while len(self._mids) > 1 and self._mids[1][0] <= horizon_ns:
            self._mids.popleft()
        return self._mids[-1][1] - self._mids[0][1] if self._mids else 0


class OutcomeFlow:
    """Flow and toxicity of one outcome."""

    def __init__(self, params: OfiParams, thresholds: ThresholdSource) -> None:
        self.netted = params.mode is OfiMode.NET
        self._params = params
        self.thresholds = thresholds
        self.flow = TradeFlow(params.window_ns)
        self.mids = MidHistory(params.window_ns)
        self.state = FlowState.CALM
        self.exit_u6 = 0
        self._entered_ns = 0
        self._below_since_ns = 0

    @property
    def toxic(self) -> bool:
        """Whether quoting must stop."""
        return self.state is not FlowState.CALM

    def trade(self, at_ns: int, side: TakerSide, size_u6: int, *, tick_e4: int) -> None:
        """Count a trade and evaluate at once: a burst inside one batch must not be missed."""
        self.flow.add(at_ns, side, size_u6)
        self.thresholds.trade(at_ns, size_u6)
        self.advance(at_ns, tick_e4=tick_e4)

    def advance(self, at_ns: int, *, tick_e4: int) -> None:
        """Let time pass: evict, then enter, leave or stay."""
        self.flow.evict(at_ns)
        self.thresholds.advance(at_ns)
        if self._params.mode is OfiMode.OFF:
            return
        level_u6 = abs(self.flow.score_u6)
        if self.state is FlowState.CALM:
            enter_u6 = self.thresholds.enter_u6
            if level_u6 > enter_u6 and self._confirmed(at_ns, tick_e4):
                self.state = FlowState.TOXIC
                self._entered_ns = at_ns
                self.exit_u6 = self.thresholds.exit_u6(enter_u6)
            return
        if level_u6 > self.exit_u6:
            self.state = FlowState.TOXIC
            return
        if self.state is FlowState.TOXIC:
            self.state = FlowState.RECOVERING
            self._below_since_ns = at_ns
        held = at_ns - self._entered_ns >= self._params.min_hold_ns
        recovered = at_ns - self._below_since_ns >= self._params.recovery_hold_ns
        if held and recovered:
            self.state = FlowState.CALM

    def _confirmed(self, at_ns: int, tick_e4: int) -> bool:
        """Adaptive and net mode: the flow is lopsided, and the mid moved along with it."""
        if self._params.mode is OfiMode.FIXED:
            return True
        flow = self.flow
        total_u6 = flow.buys_u6 + flow.sells_u6
        if abs(flow.score_u6) * 10_000 < self._params.min_imbalance_bps * total_u6:
            return False
        sign = 1 if flow.score_u6 > 0 else -1
        return self.mids.move2_e4(at_ns) * sign >= 2 * self._params.min_move_ticks * tick_e4


def count_trade(
    flows: Mapping[Outcome, OutcomeFlow],
    outcome: Outcome,
    at_ns: int,
    side: TakerSide,
    size_u6: int,
    *,
    tick_e4: int,
) -> None:
    """Count a public trade once, in net mode in both flows: buying Down is selling Up."""
    flows[outcome].trade(at_ns, side, size_u6, tick_e4=tick_e4)
    if flows[outcome].netted:
        flows[outcome.complement].trade(at_ns, side.opposite, size_u6, tick_e4=tick_e4)
