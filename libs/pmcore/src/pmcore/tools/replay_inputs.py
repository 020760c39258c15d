"""What `pm replay` is given: recordings and journals, told apart by their first line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pmcore.engine.journal import JournalHeader, JournalLine, decode_line
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.shell.journal import journal_parts
from pmcore.tools.errors import UsageError, unusable_file
from pmcore.tools.recording_bytes import records
from pmcore.tools.recordings import Recording, load_market_file

_HEADER = b'{"type":"header"'
_ENTRY = b'["in",'
_PARTS = re.compile(r"_(orderbooks|trades)_(up|down)(?=\.json)")


class JournalParts(msgspec.Struct, frozen=True):
    """The files of one window's journal, in order."""

    paths: tuple[Path, ...]


def find_inputs(paths: Sequence[Path], market: Path | None) -> list[Recording | JournalParts]:
    """Open everything named; raise `UsageError` for what cannot be used.

    Later parts of a journal are found by its first one, and so are the other files of a
    collection; naming them too changes nothing.
    """
    given = _load_windows(market) if market else []
    inputs: list[Recording | JournalParts] = []
    later_parts: list[Path] = []
    seen: set[Path] = set()
    for path in paths:
        first = _first_record(path)
        if first.startswith(_HEADER):
            stem = path.name.partition(".")[0]
            inputs.append(JournalParts(tuple(journal_parts(path.parent, stem)) or (path,)))
        elif first.startswith(_ENTRY):
            later_parts.append(path)
        elif (collection := path.with_name(_PARTS.sub("", path.name))) not in seen:
            seen.add(collection)
            inputs.append(_open_recording(path, given))
    known = {path for each in inputs if isinstance(each, JournalParts) for path in each.paths}
    for path in later_parts:
        if path not in known:
            raise UsageError(f"{path} is a later part of a journal: name its first part")
    return inputs


def journal_lines(parts: JournalParts) -> Iterator[JournalLine | MalformedInputError]:
    """Every line of a journal; one that cannot be read comes as its error."""
    for path in parts.paths:
        try:
            for record in records(path, b"\n"):
                if record is None:
                    yield MalformedInputError("too_large", str(path))
                elif record:
                    yield _line(record)
        except MalformedInputError as error:
            yield error


def _line(record: bytes) -> JournalLine | MalformedInputError:
    try:
        return decode_line(record)
    except msgspec.DecodeError as error:
        return MalformedInputError("bad_line", str(error)[:80])


def header_of(parts: JournalParts) -> JournalHeader:
    """The journal's first line; raise `UsageError` when it cannot be read."""
    first = next(journal_lines(parts), None)
    if isinstance(first, JournalHeader):
        return first
    raise UsageError(f"{parts.paths[0]}: its header cannot be read: {first}")


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


def _open_recording(path: Path, given: Sequence[Window]) -> Recording:
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
    if not fits:
        known = ", ".join(f"{window.slug} ({window.condition_id})" for window in windows)
        raise UsageError(f"--market describes no market of {path}, which has {known}")
    return described
