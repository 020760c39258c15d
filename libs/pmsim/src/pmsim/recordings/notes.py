"""What our recorder noted between the frames about itself, and when it therefore heard nothing.

The notes are lines of the source `feed`: `begun` and `ended` around what one process wrote, and
between them each state of the feed. A process without `ended` was cut off at its last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.venue.fields import decode_json
from pmsim.recordings.bytes import records

NOTE_SOURCE = "feed"
_HEARS = ("resyncing", "live", "late")
"""States of the feed in which the socket brings frames."""


class Absence(msgspec.Struct, frozen=True):
    """A time (ns) in which no frame could be heard, and why."""

    from_ns: int
    to_ns: int
    why: str


def absences(parts: Sequence[Path], window: Window) -> list[Absence] | None:
    """Those within the window, from its opening to its close; None when there are no notes."""
    since_ns, why = window.open_ns, "not begun"
    hears = noted = False
    last_ns = 0
    found: list[Absence] = []
    for at_ns, note in _lines(parts, window.slug):
        cut_off = note == "begun" and noted and why != "ended"
        if cut_off and hears:
            since_ns, why, hears = last_ns, "cut off", False
        if note:
            noted = True
            state = note.partition(" ")[0]
            if state in _HEARS and not hears:
                found.append(Absence(since_ns, at_ns, why))
                hears, why = True, ""
            elif state not in _HEARS:
                if hears:
                    since_ns, hears = at_ns, False
                why = why if state == "begun" else note
        last_ns = at_ns
    if not noted:
        return None
    if hears:
        found.append(Absence(last_ns, window.close_ns, "cut off"))
    else:
        found.append(Absence(since_ns, window.close_ns, why))
    return [cut for one in found if (cut := _within(one, window)).from_ns < cut.to_ns]


def _within(one: Absence, window: Window) -> Absence:
    return Absence(max(one.from_ns, window.open_ns), min(one.to_ns, window.close_ns), one.why)


def _lines(parts: Sequence[Path], slug: str) -> list[tuple[int, str]]:
    """Time and note of each line of a window; "" for a frame."""
    lines: list[tuple[int, str]] = []
    for part in parts:
        try:
            for record in records(part, b"\n"):
                row = decode_json(record) if record and record.strip() else None
                if isinstance(row, dict) and row.get("slug") == slug:
                    at_ns, note = row.get("recv_ns"), row.get("note")
                    if isinstance(at_ns, int):
                        ours = row.get("source") == NOTE_SOURCE and isinstance(note, str)
                        lines.append((at_ns, str(note) if ours else ""))
        except MalformedInputError:
            continue  # a torn end: the reader counts it
    return lines
