"""Split, merge and redeem at a simulated venue (docs/venue.md 9), and the audit of an account.

On the chain at once, without a relayer. What may still be undone by a failed trade is neither
merged nor redeemed, and what open orders need is left to them.
"""

from __future__ import annotations

from pmcore.model.market import Outcome, Window
from pmsim.venue.accounts import Accounts
from pmsim.venue.controls import AccountAudit, PositionResult
from pmsim.venue.funds import reserved_cash_u6, reserved_shares_u6
from pmsim.venue.ports import OrderSide


def split(accounts: Accounts, owner: str, window: Window, size_u6: int) -> PositionResult:
    """Turn free cash into complete sets."""
    bound_u6 = reserved_cash_u6(accounts.active(owner)) + accounts.funds.phantom_u6(owner)
    if size_u6 <= 0 or size_u6 > accounts.ledger.cash_u6(owner) - bound_u6:
        return PositionResult(error="not enough free cash")
    accounts.ledger.split(owner, window, size_u6)
    return PositionResult(size_u6=size_u6, cash_u6=-size_u6)


def merged(accounts: Accounts, owner: str, window: Window, size_u6: int) -> PositionResult:
    """Turn free complete sets into cash."""
    if size_u6 <= 0 or size_u6 > min(_free_u6(accounts, owner, window).values()):
        return PositionResult(error="not enough settled shares")
    accounts.ledger.merge(owner, window, size_u6)
    return PositionResult(size_u6=size_u6, cash_u6=size_u6)


def redeemed(
    accounts: Accounts, owner: str, window: Window, winner: Outcome | None
) -> PositionResult:
    """Burn all settled shares of a resolved market."""
    if winner is None:
        return PositionResult(error="market is not resolved")
    held = _free_u6(accounts, owner, window)
    cash_u6 = accounts.ledger.redeem(owner, window, winner, held)
    return PositionResult(size_u6=sum(held.values()), cash_u6=cash_u6)


def audited(accounts: Accounts, owner: str) -> AccountAudit:
    """What the venue's books say about an account."""
    active, ledger = accounts.active(owner), accounts.ledger
    shares_u6 = ledger.holdings_u6(owner)
    offered = dict.fromkeys(r.token_id for r in active if r.side is OrderSide.SELL)
    unsettled = {token: accounts.settlement.unsettled_u6(owner, token) for token in shares_u6}
    return AccountAudit(
        owner=owner,
        cash_u6=ledger.cash_u6(owner),
        reserved_u6=reserved_cash_u6(active),
        phantom_u6=accounts.funds.phantom_u6(owner),
        fees_paid_u6=ledger.fees_u6(owner),
        rebates_u6=ledger.rebates_u6(owner),
        shares_u6=shares_u6,
        reserved_shares_u6={token: reserved_shares_u6(active, token) for token in offered},
        unsettled_u6={token: qty_u6 for token, qty_u6 in unsettled.items() if qty_u6},
    )


def _free_u6(accounts: Accounts, owner: str, window: Window) -> dict[Outcome, int]:
    """Settled shares of each outcome that no open SELL offers."""
    active = accounts.active(owner)
    free = {}
    for outcome in Outcome:
        token_id = window.token_id(outcome)
        bound_u6 = reserved_shares_u6(active, token_id)
        bound_u6 += accounts.settlement.unsettled_u6(owner, token_id)
        free[outcome] = max(accounts.ledger.shares_u6(owner, token_id) - bound_u6, 0)
    return free
