"""From MATCHED to the chain: a trade's statuses, and what a failure takes back (docs/venue.md 6.4).

MATCHED, MINED, CONFIRMED; or RETRYING and then MINED or FAILED, for shares of trades picked by a
digest of (seed, trade), not by order. Value moved at MATCHED; FAILED undoes it exactly.
"""

from __future__ import annotations

from collections.abc import Callable

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS
from pmsim.faults.plan import FaultPlan, strikes
from pmsim.run.scheduler import Scheduler
from pmsim.venue.ledger import Ledger, moves_of, taker_price_e4
from pmsim.venue.ports import MakerFill, OrderSide, TradeRecord

_PENDING = ("MATCHED", "RETRYING")


class Settlement:
    """Books matches in the ledger and moves their status on. `tell` announces each new one."""

    def __init__(
        self,
        ledger: Ledger,
        schedule: Scheduler,
        tell: Callable[[TradeRecord, int], None],
        *,
        seed: int,
        mined_delay_ms: int,
        confirmed_delay_ms: int,
    ) -> None:
        self._ledger = ledger
        self._schedule = schedule
        self._tell = tell
        self._seed = seed
        self._mined_ns = mined_delay_ms * NS_PER_MS
        self._confirmed_ns = confirmed_delay_ms * NS_PER_MS
        self._unsettled_u6: dict[tuple[str, str], int] = {}

    def unsettled_u6(self, owner: str, token_id: str) -> int:
        """Shares of a token received in trades that may still fail."""
        return self._unsettled_u6.get((owner, token_id), 0)

    def begin(self, trade: TradeRecord, window: Window, plan: FaultPlan, failed_ppm: int) -> None:
        """Book a new trade, its fee and rebates, and plan its next statuses."""
        self._book(trade, window, sign=1)
        self._mark(trade, sign=1)
        failed_ppm = max(failed_ppm, plan.failed_ppm)
        fails = strikes(failed_ppm, self._seed, trade.trade_id)
        retries = fails or strikes(plan.retried_ppm, self._seed, "retry", trade.trade_id)
        mined_ns = trade.matched_ns + self._mined_ns
        final_ns = mined_ns + self._confirmed_ns
        self._plan(mined_ns, trade, window, "RETRYING" if retries else "MINED")
        if retries and not fails:
            self._plan(mined_ns + self._confirmed_ns // 2, trade, window, "MINED")
        self._plan(final_ns, trade, window, "FAILED" if fails else "CONFIRMED")

    def _plan(self, at_ns: int, trade: TradeRecord, window: Window, status: str) -> None:
        self._schedule.at(at_ns, lambda now_ns: self._move(now_ns, trade, window, status))

    def _move(self, at_ns: int, trade: TradeRecord, window: Window, status: str) -> None:
        if trade.status in _PENDING and status not in _PENDING:
            self._mark(trade, sign=-1)
        trade.status = status
        trade.updated_ns = at_ns
        if status == "FAILED":
            self._book(trade, window, sign=-1)
        self._tell(trade, at_ns)

    def _book(self, trade: TradeRecord, window: Window, *, sign: int) -> None:
        moves = moves_of(trade.taker_fill, trade.makers)
        if sign > 0:
            self._ledger.settle(window, moves)
        else:
            self._ledger.reverse(window, moves)
        self._ledger.charge(trade.taker.owner, sign * trade.fee_u6)
        for fill in trade.makers:
            self._ledger.accrue(fill.account.owner, sign * fill.rebate_u6)

    def _mark(self, trade: TradeRecord, *, sign: int) -> None:
        for fill in (trade.taker_fill, *trade.makers):
            if fill.side is OrderSide.BUY:
                key = (fill.account.owner, fill.token_id)
                self._unsettled_u6[key] = self._unsettled_u6.get(key, 0) + sign * fill.size_u6


def new_trade(
    window: Window,
    taker: MakerFill,
    makers: tuple[MakerFill, ...],
    *,
    trade_id: str,
    fee_u6: int,
    at_ns: int,
) -> TradeRecord:
    """A trade that has just matched; its price is that of the last match, in the taker's terms."""
    return TradeRecord(
        trade_id=trade_id,
        taker_order_hash=taker.order_hash,
        taker=taker.account,
        condition_id=window.condition_id,
        token_id=taker.token_id,
        outcome=taker.outcome,
        side=taker.side,
        price_e4=taker_price_e4(taker, makers[-1]),
        size_u6=sum(fill.size_u6 for fill in makers),
        makers=makers,
        matched_ns=at_ns,
        updated_ns=at_ns,
        fee_u6=fee_u6,
    )
