"""What our recorder noted between the frames about itself, and when it therefore heard nothing.

The notes are lines of the source `feed`: `begun` and `ended` around what one process wrote, and
between them each state of the feed. A process without `ended` was cut off at its last line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from pmcore.messages.market_data import FeedState
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.shell.recording import BEGUN, NOTE_SOURCE
from pmcore.venue.fields import decode_json_as
from pmsim.recordings.bytes import records

_CUT_OFF = "cut off"
_HEARS = (FeedState.RESYNCING, FeedState.LIVE, FeedState.LATE)
"""In these states of the feed the socket brings frames."""


class Absence(msgspec.Struct, frozen=True):
    """A time (ns) in which no frame could be heard, and why."""

    from_ns: int
    to_ns: int
    why: str


class _RecordedLine(msgspec.Struct, frozen=True):
    recv_ns: int
    slug: str
    note: str = ""
    source: str = ""


def absences(parts: Sequence[Path], window: Window) -> list[Absence] | None:
    """Those within the window, from its opening to its close; None when there are no notes."""
    lines = list(_lines(parts, window.slug))
    if not any(note for _, note in lines):
        return None
    found: list[Absence] = []
    since_ns, why, hears, last_ns = window.open_ns, "not begun", False, 0
    for at_ns, note in lines:
        state = note.partition(" ")[0]
        if state in _HEARS and not hears:
            found.append(Absence(since_ns, at_ns, why))
            hears = True
        elif state == BEGUN and hears:
            since_ns, why, hears = last_ns, _CUT_OFF, False
        elif state and state != BEGUN and state not in _HEARS:
            since_ns, why, hears = at_ns if hears else since_ns, note, False
        last_ns = at_ns
    if hears:
        since_ns, why = last_ns, _CUT_OFF
    found.append(Absence(since_ns, window.close_ns, why))
    return [cut for one in found if (cut := _within(one, window)).from_ns < cut.to_ns]


def _within(one: Absence, window: Window) -> Absence:
    return Absence(max(one.from_ns, window.open_ns), min(one.to_ns, window.close_ns), one.why)


def _lines(parts: Sequence[Path], slug: str) -> Iterator[tuple[int, str]]:
    """Time and note of each line of a window; "" for a frame. The reader counts what is broken."""
    for part in parts:
        with suppress(MalformedInputError):  # a torn end
            for record in records(part, b"\n"):
                with suppress(MalformedInputError):
                    row = decode_json_as(record or b"", _RecordedLine)
                    if row.slug == slug:
                        yield row.recv_ns, row.note if row.source == NOTE_SOURCE else ""
