"""What of an account's holdings its orders may still bind (docs/venue.md 10.1, 10.3).

The gate: balance >= sum of active orders + sum of matched orders + the order's amount with fees.
Cash and shares move at MATCHED here, so the sum of matched orders is 0 unless a fault keeps some.
"""

from __future__ import annotations

from collections.abc import Sequence

from pmcore.model.units import value_u6
from pmsim.venue.checks import order_value_u6
from pmsim.venue.ledger import Ledger
from pmsim.venue.ports import NewOrder, OrderSide, VenueOrder

_TEXT = "not enough balance / allowance: the balance is not enough -> balance: "


class Funds:
    """Reservations are sums over open orders, so they cannot go stale; phantom locks do."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._phantom_u6: dict[str, int] = {}

    def lock(self, owner: str, cash_u6: int) -> None:
        """Keep cash locked that no order needs; negative lets it go."""
        self._phantom_u6[owner] = self.phantom_u6(owner) + cash_u6

    def phantom_u6(self, owner: str) -> int:
        """Cash locked by faults."""
        return self._phantom_u6.get(owner, 0)

    def shortage(
        self, owner: str, order: NewOrder, active: Sequence[VenueOrder], fee_u6: int
    ) -> str:
        """The venue's refusal of what an account cannot pay, "" when it can. Amounts in 1e-6."""
        if order.side is OrderSide.BUY:
            balance_u6 = self._ledger.cash_u6(owner)
            active_u6, matched_u6 = reserved_cash_u6(active), self.phantom_u6(owner)
            amount_u6 = order_value_u6(order) + fee_u6
        else:
            balance_u6 = self._ledger.shares_u6(owner, order.token_id)
            active_u6, matched_u6 = reserved_shares_u6(active, order.token_id), 0
            amount_u6 = order.size_u6
        if balance_u6 >= active_u6 + matched_u6 + amount_u6:
            return ""
        if not active_u6 and not matched_u6:
            return f"{_TEXT}{balance_u6}, order amount: {amount_u6}"
        resting = f"sum of active orders: {active_u6}, " if active_u6 else ""
        return (
            f"{_TEXT}{balance_u6}, {resting}sum of matched orders: {matched_u6}, "
            f"order amount (inc. fees): {amount_u6}"
        )


def reserved_cash_u6(active: Sequence[VenueOrder]) -> int:
    """Price x remaining of all BUYs."""
    return sum(
        record.amount_u6 or value_u6(record.price_e4, record.leaves_u6)
        for record in active
        if record.side is OrderSide.BUY
    )


def reserved_shares_u6(active: Sequence[VenueOrder], token_id: str) -> int:
    """Remaining shares of all SELLs of a token."""
    return sum(
        record.leaves_u6
        for record in active
        if record.side is OrderSide.SELL and record.token_id == token_id
    )
