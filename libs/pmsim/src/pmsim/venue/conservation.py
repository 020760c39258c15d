"""What a simulated venue's own books must keep, one short line for each breach."""

from __future__ import annotations

from collections.abc import Iterable

from pmcore.model.market import Outcome, Window
from pmsim.venue.accounts import Accounts


def ledger_problems(accounts: Accounts, windows: Iterable[Window]) -> list[str]:
    """Cash and shares are conserved."""
    ledger = accounts.ledger
    problems = []
    if extra_u6 := ledger.unaccounted_u6():
        problems.append(f"{extra_u6} u6 of cash without a source")
    for window in windows:
        sets_u6 = ledger.issued_u6(window)
        for outcome in Outcome:
            supply_u6 = ledger.supply_u6(window.token_id(outcome))
            if supply_u6 != sets_u6:
                problems.append(
                    f"{window.slug}: {supply_u6} u6 of {outcome.value}, {sets_u6} u6 of sets"
                )
    return problems
