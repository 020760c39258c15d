"""A window's journal: what the engine was made from, then every input in the order consumed.

Re-stepping a journal must give the same fingerprint; `pm replay` does that. `pmcore.engine.journal`
says what its lines are.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.journal import ENTRY_TAG, JournalEnd, JournalFormat
from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.messages.union import EngineEvent
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="header"):
    """All that `WindowEngine` was built from."""

    window: Window
    params: StrategyParams
    run_id: str
    warm_start: dict[Outcome, WarmStart]
    prior_loss_u6: int
    gated: bool = False  # journals of before the placing gate do not say it

    @property
    def title(self) -> str:
        """The window's slug."""
        return self.window.slug

    def make_engine(self) -> WindowEngine:
        """Build the engine exactly as it was."""
        return WindowEngine(
            self.window,
            self.params,
            self.run_id,
            warm_start=self.warm_start,
            prior_loss_u6=self.prior_loss_u6,
            gated=self.gated,
        )


class JournalEntry(msgspec.Struct, frozen=True, tag=ENTRY_TAG, array_like=True):
    """One call of `step`."""

    at_ns: int
    event: EngineEvent


JournalLine = JournalHeader | JournalEntry | JournalEnd
STRATEGY_JOURNAL = JournalFormat(JournalHeader, JournalEntry)


def encode_line(line: JournalLine) -> bytes:
    """Encode one line without its newline."""
    return STRATEGY_JOURNAL.encode(line)


def decode_line(data: bytes) -> JournalLine:
    """Decode one line; raise `msgspec.DecodeError` for anything else."""
    return STRATEGY_JOURNAL.decode(data)
