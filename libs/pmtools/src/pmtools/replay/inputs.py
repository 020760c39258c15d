"""What `pm replay` is given: recordings and journals, told apart by their first line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pmcore.engine.journal import ENTRY_START
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.model.params import SeriesParams
from pmcore.shell.journal import first_part_of, journal_parts, journal_stem
from pmcore.shell.recording import METADATA_END, WINNERS_FILE
from pmsim.recordings.bytes import records
from pmsim.recordings.reader import Recording, load_market_file
from pmtools.errors import KNOWN_FORMATS, UsageError, unusable_file
from pmtools.replay.journals import JournalParts, format_opening

_PARTS = re.compile(r"_(orderbooks|trades)_(up|down)(?=\.json)")


class Inputs(msgspec.Struct, frozen=True):
    """What is replayed, in order, and what lay in a folder and is not, with the reason."""

    found: list[Recording | JournalParts]
    skipped: list[str]


def find_inputs(paths: Sequence[Path], market: Path | None) -> Inputs:
    """Open everything named, and in folders everything that can be replayed.

    Later parts of a journal are found by its first one, and so are the other files of a
    collection; naming them too changes nothing. Raise `UsageError` for a named file that cannot be
    used, and for a folder in which nothing can.
    """
    given = _load_windows(market) if market else []
    opened = _Opened([], {}, set())
    skipped: list[str] = []
    for path in paths:
        if not path.is_dir():
            _open(path, given, opened, strict=True)
            continue
        before = len(opened.inputs)
        for file in files_in(path):
            try:
                _open(file, given, opened, strict=False)
            except UsageError as error:
                skipped.append(str(error).partition("; the formats known")[0])
        if len(opened.inputs) == before:
            raise UsageError(f"{path}: nothing in this folder can be replayed; {KNOWN_FORMATS}")
    known = {
        path
        for each in opened.inputs
        for path in (each.paths if isinstance(each, JournalParts) else each.parts)
    }
    for path, strict in opened.later_parts.items():
        if path not in known:
            said = f"{path} is a later part of a journal or recording: name its first part"
            if strict:
                raise UsageError(said)
            skipped.append(said)
    return Inputs(opened.inputs, skipped)


def files_in(folder: Path) -> list[Path]:
    """All files below a folder by path; without hidden ones, market metadata and winners, which
    are read with the recordings that they lie beside.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.endswith((METADATA_END, WINNERS_FILE))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def expect_series(params: SeriesParams, inputs: Iterable[Recording | JournalParts]) -> None:
    """Raise `UsageError` for parameters of a series of which no window was recorded."""
    if not params.by_series:
        return
    recordings = [each for each in inputs if isinstance(each, Recording)]
    there = {window.series for each in recordings for window in each.windows()}
    for series in sorted(params.by_series.keys() - there):
        raise UsageError(
            f"settings were overridden for {series}, and these recordings have no window of it "
            f"({', '.join(sorted(there)) or 'no series'}): unset them"
        )


class _Opened(msgspec.Struct):
    """What was opened so far; `later_parts` maps a part to whether it was named itself."""

    inputs: list[Recording | JournalParts]
    later_parts: dict[Path, bool]
    collections: set[Path]


def _open(path: Path, given: Sequence[Window], opened: _Opened, *, strict: bool) -> None:
    first = _first_record(path)
    if journal_format := format_opening(first):
        parts = tuple(journal_parts(path.parent, journal_stem(path))) or (path,)
        opened.inputs.append(JournalParts(parts, journal_format))
    elif first.startswith(ENTRY_START) or first_part_of(path):
        opened.later_parts.setdefault(path, strict)
    elif (collection := path.with_name(_PARTS.sub("", path.name))) not in opened.collections:
        recording = _open_recording(path, given, strict=strict)
        opened.collections.add(collection)
        opened.inputs.append(recording)


def _load_windows(path: Path) -> list[Window]:
    try:
        return load_market_file(path)
    except MalformedInputError as error:
        raise UsageError(f"{path}: no market's metadata: {error}") from error


def _first_record(path: Path) -> bytes:
    try:
        return next(records(path, b"\n"), None) or b""
    except MalformedInputError as error:
        if error.reason == "truncated":
            return b""
        raise unusable_file(path, error) from error


def _open_recording(path: Path, given: Sequence[Window], *, strict: bool) -> Recording:
    try:
        recording = Recording(path)
        windows = recording.windows()
        if not given:
            return recording
        ids = {window.condition_id for window in windows} | {window.slug for window in windows}
        fitting = [w for w in given if w.condition_id in ids or w.slug in ids]
        described = Recording(path, fitting)
        fits = bool(set(described.windows()) & set(fitting))
    except MalformedInputError as error:
        raise unusable_file(path, error) from error
    if not fits and not strict:
        return recording
    if not fits:
        known = ", ".join(f"{window.slug} ({window.condition_id})" for window in windows)
        raise UsageError(f"--market describes no market of {path}, which has {known}")
    return described
