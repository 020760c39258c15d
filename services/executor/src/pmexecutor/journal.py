"""The executor's journal on disk. Orders go on without one: a full disk ends the journal only."""

from __future__ import annotations

from pathlib import Path

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import ExecutionEvent
from pmcore.engine.execution.journal import (
    EXECUTION_JOURNAL,
    ExecutionJournalEntry,
    ExecutionJournalHeader,
)
from pmcore.engine.journal import JournalEnd
from pmcore.shell.journal import JournalWriter
from pmcore.shell.service.logs import Log


class ExecutionJournal:
    """What the engine is stepped with."""

    def __init__(self, directory: Path, header: ExecutionJournalHeader, log: Log) -> None:
        self._log = log
        self._writer: JournalWriter | None = None
        try:
            self._writer = JournalWriter(directory, f"executor-{header.account}.{header.run_id}")
            self._writer.write(EXECUTION_JOURNAL.encode(header))
        except OSError as error:
            self._give_up(error)

    def write(self, at_ns: int, event: ExecutionEvent, engine: ExecutionEngine) -> None:
        """What the engine will be stepped with now."""
        if self._writer is None:
            return
        entry = ExecutionJournalEntry(at_ns, event, engine.fingerprint)
        try:
            self._writer.write(EXECUTION_JOURNAL.encode(entry))
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Make safe what was written."""
        try:
            if self._writer is not None:
                self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self, engine: ExecutionEngine) -> None:
        """The engine will not be stepped any more."""
        if self._writer is None:
            return
        try:
            self._writer.write(EXECUTION_JOURNAL.encode(JournalEnd(engine.fingerprint)))
            self._writer.close()
        except OSError as error:
            self._give_up(error)
        self._writer = None

    def _give_up(self, error: OSError) -> None:
        self._log.warning("journal_failed", detail=str(error))
        self._writer = None
