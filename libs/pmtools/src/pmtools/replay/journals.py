"""Journals of every engine for `pm replay`: the first line says whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pmcore.engine.account.journal import ACCOUNT_JOURNAL
from pmcore.engine.execution.journal import EXECUTION_JOURNAL
from pmcore.engine.journal import JournalEnd, JournalFormat, JournalStart, JournalStep
from pmcore.engine.strategy.journal import STRATEGY_JOURNAL
from pmcore.model.errors import MalformedInputError
from pmsim.recordings.bytes import records
from pmtools.errors import UsageError

FORMATS: tuple[JournalFormat[Any, Any], ...] = (
    STRATEGY_JOURNAL,
    EXECUTION_JOURNAL,
    ACCOUNT_JOURNAL,
)
"""A new engine's journal is added here."""


class JournalParts(msgspec.Struct, frozen=True):
    """The files of one journal, in order, and how its lines are read."""

    paths: tuple[Path, ...]
    format: JournalFormat[Any, Any]


def format_opening(first_line: bytes) -> JournalFormat[Any, Any] | None:
    """How to read the journal that begins with this line; None when it is no journal."""
    return next((each for each in FORMATS if each.opens(first_line)), None)


def header_of(parts: JournalParts) -> JournalStart:
    """The journal's first line; raise `UsageError` when it cannot be read."""
    first = next(_lines(parts), None)
    if isinstance(first, parts.format.header):
        header: JournalStart = first
        return header
    raise UsageError(f"{parts.paths[0]}: its header cannot be read: {first}")


def journal_steps(
    parts: JournalParts,
) -> Iterator[JournalStep | JournalEnd | MalformedInputError]:
    """Every line of a journal but its header; one that cannot be read comes as its error."""
    return (line for line in _lines(parts) if not isinstance(line, parts.format.header))


def _lines(parts: JournalParts) -> Iterator[Any]:
    for path in parts.paths:
        try:
            for record in records(path, b"\n"):
                if record is None:
                    yield MalformedInputError("too_large", str(path))
                elif record:
                    yield _line(parts.format, record)
        except MalformedInputError as error:
            yield error


def _line(form: JournalFormat[Any, Any], record: bytes) -> Any:
    try:
        return form.decode(record)
    except msgspec.DecodeError as error:
        return MalformedInputError("bad_line", str(error)[:80])
