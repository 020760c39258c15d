"""The executor's journal on disk: safe after each flush, and never in the way of an order."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.journal import (
    EXECUTION_JOURNAL,
    ExecutionJournalEntry,
    ExecutionJournalHeader,
)
from pmcore.engine.journal import JournalEnd
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.timers import Tick
from pmcore.shell.journal import JournalWriter, read_journal
from pmcore.shell.service.logs import configure_logs
from pmexecutor.journal import ExecutionJournal

HEADER = ExecutionJournalHeader(
    account="main", run_id="r", tier=RateTier.STANDARD, cancel_reserve=20, caps=None
)
NAME = "executor-main.r.jsonl.zst"


def _lines(folder: Path) -> list[object]:
    return [EXECUTION_JOURNAL.decode(line) for line in read_journal(folder / NAME)]


def test_what_was_flushed_can_be_read_while_it_grows(tmp_path: Path) -> None:
    log, engine = configure_logs("executor", "debug", io.StringIO()), ExecutionEngine()
    journal = ExecutionJournal(tmp_path, HEADER, log)
    journal.write(1, Tick(), engine)
    journal.flush()
    entry = ExecutionJournalEntry(1, Tick(), engine.fingerprint)
    assert _lines(tmp_path) == [HEADER, entry]
    journal.close(engine)
    journal.write(2, Tick(), engine)
    journal.close(engine)
    assert _lines(tmp_path) == [HEADER, entry, JournalEnd(engine.fingerprint)]


@pytest.mark.parametrize("broken", ["__init__", "write", "flush", "close"])
def test_a_full_disk_ends_the_journal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    logs, engine = io.StringIO(), ExecutionEngine()
    monkeypatch.setattr(JournalWriter, broken, fail)
    journal = ExecutionJournal(tmp_path, HEADER, configure_logs("executor", "debug", logs))
    journal.write(1, Tick(), engine)
    journal.flush()
    journal.close(engine)
    assert logs.getvalue().count("journal_failed") == 1
