"""The executor's journal: every input of its engine, in order (`pmcore.engine.journal`).

One for each run of the executor. It holds commands, order ids and answers as the engine reads them:
no signature, no signed order, no credentials.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import ExecutionEvent
from pmcore.engine.journal import ENTRY_TAG, JournalFormat
from pmcore.machines.rate_budget import RateTier
from pmcore.model.params import OrderCaps


class ExecutionJournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="execution_header"):
    """All that `ExecutionEngine` was built from."""

    account: str
    run_id: str
    tier: RateTier
    cancel_reserve: int
    caps: OrderCaps | None
    caps_by_series: dict[str, OrderCaps] = {}
    fenced: bool = False
    awaits_account: bool = False

    @property
    def title(self) -> str:
        """Whose orders they are."""
        return f"executor {self.account}"

    def make_engine(self) -> ExecutionEngine:
        """Build the engine exactly as it was."""
        return ExecutionEngine(
            tier=self.tier,
            cancel_reserve=self.cancel_reserve,
            caps=self.caps,
            caps_by_series=self.caps_by_series,
            fenced=self.fenced,
            awaits_account=self.awaits_account,
        )


class ExecutionJournalEntry(msgspec.Struct, frozen=True, tag=ENTRY_TAG, array_like=True):
    """One call of `step`, and the engine's fingerprint before it."""

    at_ns: int
    event: ExecutionEvent
    before: str


EXECUTION_JOURNAL = JournalFormat(ExecutionJournalHeader, ExecutionJournalEntry)
