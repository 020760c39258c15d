"""Whether money left the wallet that none of our fills explains.

Only that side is judged: a redeem or a deposit brings money at any time. What a fill costs may be
taken at its match or when it settles, and may be shown late. So between two readings at most the
cost of all fills may leave that were not surely paid before the first one. A fall is believed once
it stayed: its fill may be told late.
"""

from __future__ import annotations

import msgspec

from pmcore.messages.user import FillReported, TradeStatus
from pmcore.model.units import SHARE_U6

TOLERANCE_U6 = SHARE_U6 // 10
"""Ten cents: amounts are rounded by trade."""
REMEMBERED = 10_000
"""Fills that may not be paid yet; the oldest go first."""
_SETTLED = frozenset({TradeStatus.MINED, TradeStatus.CONFIRMED})


class _Bill(msgspec.Struct):
    cost_u6: int
    settled_ns: int | None


class BalanceCheck:
    """The check of one wallet. `lag_ns`: how old the balance may be that the venue shows."""

    def __init__(self, stays_ns: int, lag_ns: int) -> None:
        self._stays_ns = stays_ns
        self._lag_ns = lag_ns
        self._agreed_u6: int | None = None
        self._since_ns: int | None = None
        self._bills: dict[tuple[str, str], _Bill] = {}

    def hear(self, at_ns: int, fill: FillReported) -> None:
        """A fill of ours, in each of its states."""
        key = fill.trade_id, fill.order_hash
        if fill.status is TradeStatus.FAILED:
            self._bills.pop(key, None)
            return
        settled_ns = at_ns if fill.status in _SETTLED else None
        bill = self._bills.get(key)
        if bill is None:
            cost_u6 = -(-fill.price_e4 * fill.size_u6 // 10_000)
            self._bills[key] = _Bill(cost_u6, settled_ns)
            if len(self._bills) > REMEMBERED:
                del self._bills[next(iter(self._bills))]
        elif bill.settled_ns is None:
            bill.settled_ns = settled_ns

    def read(self, asked_ns: int, balance_u6: int) -> int:
        """Judge one reading; what left without a fill, each fall once, else 0."""
        bills_u6 = sum(bill.cost_u6 for bill in self._bills.values())
        agreed_u6 = balance_u6 if self._agreed_u6 is None else self._agreed_u6
        left_u6 = agreed_u6 - balance_u6 - bills_u6
        if left_u6 > TOLERANCE_U6:
            if self._since_ns is None:
                self._since_ns = asked_ns
            if asked_ns - self._since_ns < self._stays_ns:
                return 0
        self._agreed_u6, self._since_ns = balance_u6, None
        self._bills = {
            key: bill
            for key, bill in self._bills.items()
            if bill.settled_ns is None or asked_ns - bill.settled_ns < self._lag_ns
        }
        return left_u6 if left_u6 > TOLERANCE_U6 else 0
