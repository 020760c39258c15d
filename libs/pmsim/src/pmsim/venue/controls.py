"""What one can do at a simulated venue besides trading: positions, audit, tick, faults."""

from __future__ import annotations

from typing import Protocol

import msgspec

from pmsim.faults.plan import FaultPlan


class PositionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a split, merge or redemption did. `error` is ours: the chain has no such texts.

    `size_u6` are complete sets (split, merge) or shares burnt (redeem); `cash_u6` is what the
    account gained, negative for a split.
    """

    error: str = ""
    size_u6: int = 0
    cash_u6: int = 0


class AccountAudit(msgspec.Struct, frozen=True, kw_only=True):
    """An account in the venue's own books. Cash is after fees; rebates are accrued, not yet paid.

    `reserved_u6` is what open BUYs hold, `phantom_u6` what a fault holds on top.
    `unsettled_u6` are shares per token received in trades that may still fail.
    """

    owner: str
    cash_u6: int
    reserved_u6: int = 0
    phantom_u6: int = 0
    fees_paid_u6: int = 0
    rebates_u6: int = 0
    shares_u6: dict[str, int] = {}
    reserved_shares_u6: dict[str, int] = {}
    unsettled_u6: dict[str, int] = {}


class VenueControls(Protocol):
    """Nothing here goes over the order endpoints."""

    def split(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn cash into complete sets."""
        ...

    def merge(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn complete sets of settled, unreserved shares into cash."""
        ...

    def redeem(self, owner: str, condition_id: str, at_ns: int) -> PositionResult:
        """Burn settled shares of a resolved market; each of the winner's pays a dollar."""
        ...

    def account_audit(self, owner: str) -> AccountAudit:
        """The truth about an account."""
        ...

    def unbalanced(self) -> list[str]:
        """Where cash or shares are not conserved, in words; empty if all is well."""
        ...

    def change_tick(self, condition_id: str, tick_e4: int, at_ns: int) -> str:
        """Make a market's tick finer; "" or why not."""
        ...

    @property
    def faults(self) -> FaultPlan:
        """The plan in force."""
        ...

    def set_faults(self, plan: FaultPlan, at_ns: int) -> None:
        """Replace the plan; a mode in it begins now."""
        ...
