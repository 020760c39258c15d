"""The account's journal: every input of its engine, in order (`pmcore.engine.journal`).

One for each run of userws. It holds what the channel and REST said, parsed: no credentials.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.account.engine import AccountEngine, AccountParams
from pmcore.engine.account.io import AccountEvent
from pmcore.engine.journal import ENTRY_TAG, JournalFormat


class AccountJournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="account_header"):
    """All that `AccountEngine` was built from."""

    account: str
    run_id: str
    params: AccountParams

    @property
    def title(self) -> str:
        """The account."""
        return f"account {self.account}"

    def make_engine(self) -> AccountEngine:
        """Build the engine exactly as it was."""
        return AccountEngine(self.params)


class AccountJournalEntry(msgspec.Struct, frozen=True, tag=ENTRY_TAG, array_like=True):
    """One call of `step`."""

    at_ns: int
    event: AccountEvent


ACCOUNT_JOURNAL = JournalFormat(AccountJournalHeader, AccountJournalEntry)
