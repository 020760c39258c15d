"""Inventory as a ledger of our own trades; the only writer of shares is a fill.

See docs/strategy_guide.md#invariants-of-the-strategy.

Views are recomputed from the ledger, never from a running average, so that FAILED takes out
quantity and cost exactly as they went in. Costs are kept in price_e4 x qty_u6, exactly.

Shares are what was BOUGHT. A merge takes none away: a pair that was merged has paid its dollar, as
one that is held until the result will. It gives back capital only (`freed_e4u6`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.machines.merge_ledger import MergeLedger
from pmcore.machines.pairing import Lot, Pairing, pair_lots
from pmcore.machines.settlement import SettlementState, advance
from pmcore.messages.execution import MergeReported
from pmcore.messages.user import FillReported
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from pmcore.model.units import PRICE_ONE_E4


class Holding(msgspec.Struct, frozen=True):
    """Shares of one outcome that were bought and what they cost (price_e4 x qty_u6).

    `freed_e4u6` is the part of the cost that merges gave back.
    """

    qty_u6: int = 0
    cost_e4u6: int = 0
    freed_e4u6: int = 0

    def plus(self, price_e4: int, qty_u6: int) -> Holding:
        """Return the holding after a buy."""
        cost_e4u6 = self.cost_e4u6 + price_e4 * qty_u6
        return Holding(self.qty_u6 + qty_u6, cost_e4u6, self.freed_e4u6)

    @property
    def in_use_e4u6(self) -> int:
        """The capital in use: what PM_MAX_POSITION_VALUE bounds (price_e4 x qty_u6)."""
        return self.cost_e4u6 - self.freed_e4u6

    @property
    def avg_cost_dollars(self) -> float:
        """VWAP for people; decisions use the integers."""
        return self.cost_e4u6 / self.qty_u6 / PRICE_ONE_E4 if self.qty_u6 else 0.0


class Position(msgspec.Struct, frozen=True):
    """Both holdings of a window."""

    up: Holding = Holding()
    down: Holding = Holding()

    def holding(self, outcome: Outcome) -> Holding:
        """The holding of an outcome."""
        return self.up if outcome is Outcome.UP else self.down

    def with_buy(self, outcome: Outcome, price_e4: int, qty_u6: int) -> Position:
        """Return the position after a buy."""
        if outcome is Outcome.UP:
            return Position(self.up.plus(price_e4, qty_u6), self.down)
        return Position(self.up, self.down.plus(price_e4, qty_u6))

    @property
    def net_diff_u6(self) -> int:
        """Up minus down."""
        return self.up.qty_u6 - self.down.qty_u6

    @property
    def portfolio_cost_dollars(self) -> float:
        """Sum of the averages when both legs are held, else 0; for people."""
        if not (self.up.qty_u6 and self.down.qty_u6):
            return 0.0
        return self.up.avg_cost_dollars + self.down.avg_cost_dollars

    def portfolio_cost_below(self, limit_e4: int) -> bool:
        """portfolio_cost < limit, or not both legs held; exact."""
        up, down = self.up, self.down
        if not (up.qty_u6 and down.qty_u6):
            return True
        summed = up.cost_e4u6 * down.qty_u6 + down.cost_e4u6 * up.qty_u6
        return summed < limit_e4 * up.qty_u6 * down.qty_u6

    def value_below(self, outcome: Outcome, limit_u6: int) -> bool:
        """Whether one side's capital in use is below a limit (dollars in millionths); exact."""
        return self.holding(outcome).in_use_e4u6 < limit_u6 * PRICE_ONE_E4

    def can_open(self, limits: LimitParams) -> bool:
        """The user's gate: net, pair cost and both values strictly inside their limits."""
        return (
            abs(self.net_diff_u6) < limits.max_net_diff_u6
            and self.portfolio_cost_below(limits.max_portfolio_cost_e4)
            and self.value_below(Outcome.UP, limits.max_position_value_u6)
            and self.value_below(Outcome.DOWN, limits.max_position_value_u6)
        )

    @property
    def worst_loss_u6(self) -> int:
        """Loss (millionths of a dollar) if the outcome that we own less of wins, rounded up.

        Cost minus the smaller holding. Negative: a gain, whoever wins. People are shown the
        opposite sign, as `worst_case_profit`.
        """
        cost_u6 = -(-(self.up.cost_e4u6 + self.down.cost_e4u6) // PRICE_ONE_E4)
        return cost_u6 - min(self.up.qty_u6, self.down.qty_u6)

    def profit_u6(self, winner: Outcome) -> int:
        """Dollars won (negative: lost) when `winner` pays 1.00 a share."""
        cost_u6 = -(-(self.up.cost_e4u6 + self.down.cost_e4u6) // PRICE_ONE_E4)
        return self.holding(winner).qty_u6 - cost_u6


class LedgerEntry(msgspec.Struct):
    """One fill as first reported; only its settlement moves."""

    outcome: Outcome
    price_e4: int
    size_u6: int
    state: SettlementState
    trade_id: str = ""
    since_ns: int = 0  # when we first heard of it
    settled_ns: int = 0  # when we first heard that the chain took it

    def profit_e4u6(self, winner: Outcome) -> int:
        """Won by this fill alone (negative: lost), in price_e4 x qty_u6."""
        paid_e4 = PRICE_ONE_E4 if self.outcome is winner else 0
        return (paid_e4 - self.price_e4) * self.size_u6


class FillEffect(StrEnum):
    """What a report did to the ledger."""

    ADDED = "added"
    SETTLED = "settled"
    REVERSED = "reversed"
    UNCHANGED = "unchanged"
    CONTRADICTION = "contradiction"


class Inventory:
    """The ledger of one window. `working` counts from MATCHED on, `settled` from MINED on."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], LedgerEntry] = {}
        self.working = Position()
        self.settled = Position()
        self.unsettled: tuple[LedgerEntry, ...] = ()
        """Fills that are matched, and that the chain has neither taken nor refused yet."""
        self.worst_profit_u6 = dict.fromkeys(Outcome, 0)
        """By winner: dollars won (negative: lost) if the unsettled fills settle that hurt most."""
        self.pairing = Pairing()
        """Pairs of the working view, first in first out, and the shares without a partner."""
        self.confirmed = Position()
        """What the chain took for good."""
        self.merges = MergeLedger()

    @property
    def mergeable_u6(self) -> int:
        """Pairs of confirmed shares that no merge has, or may have, used."""
        pairs_u6 = min(self.confirmed.holding(o).qty_u6 for o in Outcome)
        return max(pairs_u6 - self.merges.merged_u6 - self.merges.doubted_u6, 0)

    def merge_cost_e4u6(self, outcome: Outcome, size_u6: int) -> int:
        """What so many of the mergeable shares of an outcome cost on average, rounded down."""
        held = self.confirmed.holding(outcome)
        left_u6 = held.qty_u6 - self.merges.merged_u6
        return held.in_use_e4u6 * size_u6 // left_u6 if left_u6 > 0 else 0

    def hear_merge(self, report: MergeReported) -> bool:
        """Note what became of a merge; whether it is news. Repeats never count twice."""
        if not self.merges.hear(report):
            return False
        self._recompute()
        return True

    def apply(self, fill: FillReported, outcome: Outcome) -> FillEffect:
        """Book a report. Identity is (trade id, order hash); repeats never count twice."""
        key = (fill.trade_id, fill.order_hash)
        entry = self._entries.get(key)
        before = entry.state if entry else SettlementState.UNSEEN
        after = advance(before, fill.status)
        if after is None or (entry and not _same_fill(entry, fill, outcome)):
            return FillEffect.CONTRADICTION
        if entry is None:
            self._entries[key] = LedgerEntry(
                outcome, fill.price_e4, fill.size_u6, after, fill.trade_id, fill.ts_recv_ns
            )
            entry = self._entries[key]
        else:
            entry.state = after
        if after is before:
            return FillEffect.UNCHANGED
        if after.is_settled and not before.is_settled:
            entry.settled_ns = fill.ts_recv_ns
        self._recompute()
        if after is SettlementState.FAILED:
            return FillEffect.REVERSED if before.is_working else FillEffect.UNCHANGED
        return FillEffect.ADDED if before is SettlementState.UNSEEN else FillEffect.SETTLED

    def filled_u6(self, order_hash: str) -> int:
        """What is known to be filled of an order, reversed fills included: its shares are gone."""
        return sum(e.size_u6 for (_, h), e in self._entries.items() if h == order_hash)

    def settled_by_u6(self, outcome: Outcome, at_ns: int) -> int:
        """Shares of an outcome of which we had heard by then that the chain took them."""
        return sum(
            e.size_u6
            for e in self._entries.values()
            if e.outcome is outcome and e.state.is_settled and e.settled_ns <= at_ns
        )

    def __len__(self) -> int:
        return len(self._entries)

    def _recompute(self) -> None:
        none = Position(*(Holding(freed_e4u6=self.merges.freed_e4u6(o)) for o in Outcome))
        working = settled = confirmed = none
        for entry in self._entries.values():
            if entry.state is SettlementState.CONFIRMED:
                confirmed = confirmed.with_buy(entry.outcome, entry.price_e4, entry.size_u6)
            if entry.state.is_working:
                working = working.with_buy(entry.outcome, entry.price_e4, entry.size_u6)
            if entry.state.is_settled:
                settled = settled.with_buy(entry.outcome, entry.price_e4, entry.size_u6)
        self.working, self.settled, self.confirmed = working, settled, confirmed
        self.unsettled = tuple(
            e for e in self._entries.values() if e.state is SettlementState.MATCHED
        )
        self.worst_profit_u6 = {winner: self._worst_profit_u6(winner) for winner in Outcome}
        self.pairing = pair_lots(
            (entry.outcome, Lot(entry.price_e4, entry.size_u6, entry.since_ns))
            for entry in self._entries.values()
            if entry.state.is_working
        )

    def _worst_profit_u6(self, winner: Outcome) -> int:
        total = 0
        for entry in self._entries.values():
            if entry.state.is_settled:
                total += entry.profit_e4u6(winner)
            elif entry.state.is_working:
                total += min(0, entry.profit_e4u6(winner))
        return total // PRICE_ONE_E4


def _same_fill(entry: LedgerEntry, fill: FillReported, outcome: Outcome) -> bool:
    return (entry.outcome, entry.price_e4, entry.size_u6) == (outcome, fill.price_e4, fill.size_u6)


def dust_u6(min_size_u6: int) -> int:
    """The largest |net_diff| that no order of the minimum size could lower.

    See docs/strategy_guide.md#the-decision.
    """
    return min_size_u6 // 2
