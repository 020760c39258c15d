"""What a recorder's notes say about the time in which it heard nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pmcore.model.units import NS_PER_S
from pmcore.shell.journal import JournalWriter
from pmsim.recordings.notes import absences
from support.builders import T0_NS, window

WINDOW = window()
CLOSE_S = 900
Line = tuple[float, str]


def _at(second: float) -> int:
    return T0_NS + int(second * NS_PER_S)


def _line(second: float, note: str) -> bytes:
    row: dict[str, object] = {"recv_ns": _at(second), "slug": WINDOW.slug}
    row |= {"note": note, "source": "feed"} if note else {"raw": "[]"}
    return json.dumps(row).encode()


def _missing(tmp_path: Path, *parts: list[Line]) -> list[tuple[float, float, str]] | None:
    paths = []
    for lines in parts:
        writer = JournalWriter(tmp_path, WINDOW.slug)
        paths.append(writer.path)
        for line in lines:
            writer.write(_line(*line))
        writer.close()
    found = absences(paths, WINDOW)
    if found is None:
        return None
    return [((a.from_ns - T0_NS) / 1e9, (a.to_ns - T0_NS) / 1e9, a.why) for a in found]


BEGUN: list[Line] = [(-10, "begun"), (-9, "resyncing connected"), (-8, "live ")]
ENDED: list[Line] = [(CLOSE_S + 30, "down the window is over"), (CLOSE_S + 30, "ended")]


@pytest.mark.parametrize(
    ("parts", "missing"),
    [
        ([[*BEGUN, (5, ""), *ENDED]], []),
        ([[(20, "begun"), (21, "resyncing connected"), *ENDED]], [(0, 21, "not begun")]),
        (
            [[*BEGUN, (5, "silent no data"), (8, "resyncing connected"), *ENDED]],
            [(5, 8, "silent no data")],
        ),
        (
            [[*BEGUN, (5, "down closed"), (6, "down refused"), (8, "live "), *ENDED]],
            [(5, 8, "down refused")],
        ),
        ([[*BEGUN, (5, "resyncing gap"), (6, "late 6 s"), (7, "live "), *ENDED]], []),
        (
            [[*BEGUN, (50, "")], [(60, "begun"), (61, "resyncing connected"), *ENDED]],
            [(50, 61, "cut off")],
        ),
        (
            [
                [*BEGUN, (50, "down asked"), (50, "ended")],
                [(60, "begun"), (61, "live "), *ENDED],
            ],
            [(50, 61, "ended")],
        ),
        ([[*BEGUN, (50, "")]], [(50, CLOSE_S, "cut off")]),
        ([[*BEGUN, (50, "down x"), (51, "ended")]], [(50, CLOSE_S, "ended")]),
        ([[(-10, "begun")]], [(0, CLOSE_S, "not begun")]),
        (
            [[*BEGUN, (50, "silent x")], [(60, "begun"), (61, "live "), *ENDED]],
            [(50, 61, "silent x")],
        ),
    ],
)
def test_the_time_in_which_nothing_could_be_heard(
    tmp_path: Path, parts: list[list[Line]], missing: list[tuple[float, float, str]]
) -> None:
    assert _missing(tmp_path, *parts) == missing


def test_without_notes_nothing_is_known(tmp_path: Path) -> None:
    assert _missing(tmp_path, [(5, ""), (6, "")]) is None


def test_a_line_that_cannot_be_read_hides_none_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    rows = [_line(*BEGUN[0]), b"{broken", *(_line(*line) for line in (*BEGUN[1:], *ENDED))]
    path.write_bytes(b"\n".join(rows))
    assert absences([path], WINDOW) == []


def test_notes_of_another_market_and_a_torn_end_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    other = json.dumps({"recv_ns": 1, "slug": "other", "note": "begun", "source": "feed"})
    rows = [other.encode(), *(_line(*line) for line in (*BEGUN, *ENDED)), b'{"recv_ns": 1']
    path.write_bytes(b"\n".join(rows))
    assert absences([path], WINDOW) == []
