"""What the engine of a window did and decided: each object owns its fields and their writers.

Everybody reads the fields; nobody else writes them (tests/house/test_state_owners.py).
"""

from __future__ import annotations

import msgspec

from pmcore.engine.strategy.why import STARTING, Why, both
from pmcore.machines.quoting import QuoteMode
from pmcore.machines.risk import RiskRefusal
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.model.market import Outcome
from pmcore.model.params import StrategyParams

MAX_EXTRA_TICKS = 5


class SideState(msgspec.Struct):
    """What one side remembers about placing: debounce, back-off and post-only margin."""

    last_placed_ns: int | None = None
    blocked_until_ns: int = 0
    backoff_ns: int = 0
    extra_ticks: int = 0
    last_cross_ns: int = 0
    last_failure: str = ""

    def placed(self, at_ns: int) -> None:
        """A command for an order of this side was made."""
        self.last_placed_ns = at_ns

    def failed(self, text: str) -> None:
        """An order failed: what a person is told about it."""
        self.last_failure = text

    def wait(self, until_ns: int) -> None:
        """Place nothing before this time."""
        self.blocked_until_ns = until_ns

    def crossed(self, at_ns: int, params: StrategyParams) -> None:
        """A post-only refusal: one more tick away, and wait twice as long as last time."""
        self.extra_ticks = min(self.extra_ticks + 1, MAX_EXTRA_TICKS)
        self.last_cross_ns = at_ns
        self.backoff_ns = min(
            self.backoff_ns * 2 or params.cross_backoff_ns, params.cross_backoff_max_ns
        )
        self.blocked_until_ns = at_ns + self.backoff_ns

    def accepted(self) -> None:
        """The venue took an order: the next refusal starts at the shortest wait again."""
        self.backoff_ns = 0

    def forget_crosses(self, at_ns: int, params: StrategyParams) -> None:
        """The margin goes when no refusal came for a while."""
        if self.extra_ticks and at_ns - self.last_cross_ns >= params.cross_memory_ns:
            self.extra_ticks = 0


class FlatCheck:
    """The question whether nothing of ours is open: at the start and at the end of the window."""

    def __init__(self) -> None:
        self.started_flat = False
        """The venue said once that no old order is open."""
        self.asked_ns: int | None = None

    def asked(self, at_ns: int) -> None:
        """The question was just sent."""
        self.asked_ns = at_ns

    def answered(self, *, ending: bool) -> None:
        """The venue says flat; a question at the end stays asked, so that none follows it."""
        self.started_flat = True
        if not ending:
            self.asked_ns = None

    def due(self, at_ns: int, answer_timeout_ns: int, *, ending: bool) -> bool:
        """Whether to ask now: it was not answered yet, and not asked just before."""
        if self.started_flat and not ending:
            return False
        return self.asked_ns is None or at_ns - self.asked_ns >= answer_timeout_ns


class BatchCause:
    """The market data of the batch at hand, by which a decision's delay is measured."""

    def __init__(self) -> None:
        self.received_ns = 0
        """Receive time of the newest market data of this batch; 0: there was none."""
        self.unseen_trade_e4: int | None = None
        """Price of a trade that the book had not shown, if the last event was one."""

    def market(self, ts_recv_ns: int, unseen_trade_e4: int | None) -> None:
        """Market data was applied."""
        self.received_ns = max(self.received_ns, ts_recv_ns)
        self.unseen_trade_e4 = unseen_trade_e4

    def decided(self) -> None:
        """The batch is over: the next one has its own cause."""
        self.received_ns = 0


class LossLimit:
    """The loss limit that this window reached, and what windows before it lost."""

    def __init__(self, prior_loss_u6: int) -> None:
        self.prior_loss_u6 = prior_loss_u6
        self.reached = ""
        """The variable of the limit, "" while none is reached."""

    def hear(self, event: PriorLossChanged) -> None:
        """Note what the other windows of the day have lost by now."""
        self.prior_loss_u6 = event.loss_u6

    def reach(self, variable: str) -> None:
        """No new risk from now on."""
        self.reached = variable


class LastDecision:
    """What was decided last, and what a person is told about it."""

    def __init__(self) -> None:
        self.mode = QuoteMode.HOLD
        self.hold_reason = "starting"
        self.risk_refusals: dict[Outcome, RiskRefusal] = {}
        self.pair_refusal: RiskRefusal | None = None
        """The limit that both bids together could break."""
        self.whys = both(STARTING)

    def begin(self) -> None:
        """A decision begins: what the risk check refuses is found anew."""
        self.risk_refusals.clear()
        self.pair_refusal = None

    def hold(self, reason: str) -> None:
        """Why nothing is placed, "" when bids may be."""
        self.hold_reason = reason

    def refuse(self, outcome: Outcome, refusal: RiskRefusal) -> None:
        """The risk check refused a side's bid."""
        self.hold_reason = f"{outcome.value} bid could break {refusal.value}"
        self.risk_refusals[outcome] = refusal

    def refuse_pair(self, refusal: RiskRefusal) -> None:
        """The risk check refused both bids together."""
        self.hold_reason = f"both bids together could break {refusal.value}"
        self.pair_refusal = refusal

    def choose(self, mode: QuoteMode) -> None:
        """The branch that chose the targets."""
        self.mode = mode

    def explain(self, whys: dict[Outcome, Why]) -> None:
        """Why no bid rests, side by side."""
        self.whys = whys
