"""Tables out of the strategy's journals, by the same code as `pm replay JOURNAL --tables`.

A window whose tables are newer than its journal is not stepped again. A journal that is still
being written is read up to its last whole line.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from pmcore.engine.strategy.journal import STRATEGY_JOURNAL, JournalHeader
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.model.params import SeriesParams, StrategyParams
from pmcore.shell.journal import SUFFIX, first_part_of, journal_parts, journal_stem
from pmsim.recordings.bytes import records
from pmtools.errors import UsageError
from pmtools.progress import followed
from pmtools.replay.command import Replay
from pmtools.replay.journals import JournalParts
from pmtools.study.tables import TableFolder, day_of, made_at_ns

TABLES_FOLDER = "tables"
"""In the folder of a run."""
_JOURNALS = (Path("strategy", "journal"), Path("journal"))
"""Of a `pm run`; of a strategy that was started by hand with this data directory."""
_FEW = 3
"""So many journals are stepped here; for more, new processes are worth their start."""


class WindowJournal(msgspec.Struct, frozen=True):
    """The journal of one window; a strategy that began again wrote another one."""

    paths: tuple[Path, ...]
    window: Window
    run_id: str

    @property
    def written_ns(self) -> int:
        """When the last of its lines was written."""
        return max(path.stat().st_mtime_ns for path in self.paths)


class FoundJournals(msgspec.Struct, frozen=True):
    """One journal for each window, and sentences about what is not among them."""

    journals: list[WindowJournal]
    notes: list[str]


def journals_of_run(folder: Path) -> Path | None:
    """Where the strategy of a run keeps its journals; None when it kept none."""
    return next((folder / place for place in _JOURNALS if (folder / place).is_dir()), None)


def write_run_tables(folder: Path) -> list[str]:
    """Write the tables of a run's windows; returns what there is to say. Raise `UsageError`."""
    journals, out = journals_of_run(folder), folder / TABLES_FOLDER
    if journals is None:
        return ["no tables: its strategy kept no journal"]
    return [*write_folder_tables(journals, out, None), f"the tables of its windows are in {out}"]


def write_folder_tables(journals: Path, out: Path, day: str | None) -> list[str]:
    """Write the tables that are missing for the journals in a folder; as `write_missing_tables`."""
    found = window_journals(journals, day)
    return [*found.notes, *write_missing_tables(found.journals, out)]


def window_journals(folder: Path, day: str | None = None) -> FoundJournals:
    """The strategy's journals in a folder, of all days or of one UTC day (YYYY-MM-DD).

    Of several for one window the newest is taken: it begins with all fills of the window.
    """
    newest: dict[str, WindowJournal] = {}
    notes = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if first_part_of(path) is not None:
            continue
        try:
            journal = _open(path)
        except UsageError as error:
            notes.append(f"{path.name} is left out: {error}")
            continue
        if journal is None or day not in (None, day_of(journal.window)):
            continue
        slug = journal.window.slug
        other = newest.get(slug)
        newest[slug] = journal if other is None else max(other, journal, key=_started)
        if other is not None:
            notes.append(
                f"{slug} has several journals, for its strategy began again: the newest is read, "
                "in which what came before is known by its fills only"
            )
    return FoundJournals(list(newest.values()), notes)


def write_missing_tables(journals: Sequence[WindowJournal], out: Path) -> list[str]:
    """Step those journals whose tables are missing in `out`, or older than they are.

    Returns sentences about what is doubtful. Raise `UsageError` where `out` cannot be written, or
    packages are missing.
    """
    TableFolder(out)  # says at once when its packages are missing
    notes = []
    missing = [journal for journal in journals if not _is_done(journal, out)]
    stepped = _step_all(missing, out)
    for journal, told in followed(stepped, len(missing), "journals read"):
        notes += [f"{journal.paths[0].name}: {text}" for text in told]
    return notes


def _started(journal: WindowJournal) -> tuple[int, str]:
    """A run id is the time of a start, in hexadecimal digits."""
    return len(journal.run_id), journal.run_id


def _open(path: Path) -> WindowJournal | None:
    """None: it is the journal of another service. Raise `UsageError` without a whole header."""
    try:
        first = next(records(path, b"\n"), None)
    except MalformedInputError as error:
        if error.reason != "truncated":
            raise UsageError(error.detail) from error
        first = None
    if not first:
        raise UsageError("it has no whole line yet")
    if not STRATEGY_JOURNAL.opens(first):
        return None
    try:
        header = msgspec.json.decode(first, type=JournalHeader)
    except msgspec.DecodeError as error:
        raise UsageError(f"its first line cannot be read: {error}") from error
    parts = tuple(journal_parts(path.parent, journal_stem(path))) or (path,)
    return WindowJournal(parts, header.window, header.run_id)


def _is_done(journal: WindowJournal, out: Path) -> bool:
    made_ns = made_at_ns(out, day_of(journal.window), journal.window.slug)
    return made_ns is not None and made_ns > journal.written_ns


def _step_all(
    journals: Sequence[WindowJournal], out: Path
) -> Iterable[tuple[WindowJournal, list[str]]]:
    step = partial(_step, out)
    if len(journals) <= _FEW:
        yield from map(step, journals)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(len(journals), os.cpu_count() or 1)) as pool:
        yield from pool.imap_unordered(step, journals)


def _step(out: Path, journal: WindowJournal) -> tuple[WindowJournal, list[str]]:
    """Write the tables of one journal; return what is to be said of it."""
    replay = Replay(SeriesParams(StrategyParams()), None, tables=TableFolder(out))
    asyncio.run(replay.run([JournalParts(journal.paths, STRATEGY_JOURNAL)], "direct"))
    if replay.summary.journals_differ:
        return journal, ["stepped again it gives other outputs: another version wrote it"]
    return journal, []
