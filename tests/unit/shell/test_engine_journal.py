"""An engine's journal on disk: safe each second, and never in the way of the engine."""

from __future__ import annotations

import errno
import io
from functools import partial
from pathlib import Path

import pytest

from pmcore.model.units import NS_PER_S
from pmcore.shell import engine_journal
from pmcore.shell.engine_journal import EngineJournal
from pmcore.shell.journal import JournalWriter, read_journal
from pmcore.shell.service.logs import configure_logs

STEM = "executor-main.r"


def _lines(folder: Path) -> list[bytes]:
    return list(read_journal(folder / f"{STEM}.jsonl.zst"))


def test_what_is_a_second_old_can_be_read_while_it_grows(tmp_path: Path) -> None:
    log = configure_logs("executor", "debug", io.StringIO())
    journal = EngineJournal(tmp_path, STEM, b"header", log)
    journal.write(NS_PER_S, b"first")
    assert _lines(tmp_path) == [b"header", b"first"]
    journal.write(NS_PER_S + 1, b"second")
    assert _lines(tmp_path) == [b"header", b"first"]
    journal.write(2 * NS_PER_S, b"third")
    assert _lines(tmp_path) == [b"header", b"first", b"second", b"third"]
    journal.write(2 * NS_PER_S + 1, b"fourth")
    journal.close(b"end")
    journal.write(9 * NS_PER_S, b"too late")
    journal.close(b"again")
    assert _lines(tmp_path)[4:] == [b"fourth", b"end"]


@pytest.mark.parametrize("broken", ["__init__", "write", "flush", "close"])
def test_a_full_disk_ends_the_journal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    logs = io.StringIO()
    monkeypatch.setattr(JournalWriter, broken, fail)
    log = configure_logs("executor", "debug", logs)
    journal = EngineJournal(tmp_path, STEM, b"header", log)
    journal.write(NS_PER_S, b"first")
    journal.write(2 * NS_PER_S, b"second")
    journal.close(b"end")
    assert logs.getvalue().count("journal_failed") == 1


def test_a_full_journal_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = io.StringIO()
    monkeypatch.setattr(
        engine_journal, "JournalWriter", partial(JournalWriter, part_bytes=1, max_parts=1)
    )
    journal = EngineJournal(tmp_path, STEM, b"header", configure_logs("executor", "debug", logs))
    journal.write(NS_PER_S, b"first")
    assert logs.getvalue() == ""
    for second in range(2, 5):
        journal.write(second * NS_PER_S, b"too much")
    journal.close(b"end")
    (told,) = logs.getvalue().splitlines()
    assert "journal_full" in told
    assert f"{STEM}.jsonl.zst" in told
    assert _lines(tmp_path) == [b"header", b"first"]
