"""What is read of a recording to know its markets, and lines and frames that look as usual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pmcore.venue.fields import decode_json
from pmsim.recordings import reader as recordings_module
from pmsim.recordings.rows import envelope_frame, usual_line
from support.builders import DOWN_TOKEN, T0_NS, T0_S, UP_TOKEN
from support.frames import book_frame, change_frame, entry, text
from unit.pmsim.recordings.test_reader import SLUG, lines, recording

BOOK = text(book_frame())


def test_no_more_is_read_than_the_scan_where_the_slug_tells_the_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings_module, "_FRAMES_SCANNED", 2)
    row = {"recv": T0_S, "slug": SLUG, "raw": BOOK}
    opened = recording(tmp_path, lines(row, row, {"no": "frame"}))
    (found,) = opened.windows()
    assert (found.open_ns, found.close_ns) == (T0_NS, T0_NS + 900 * 10**9)
    assert opened.unusable == {}
    assert len(list(opened.frames())) == 2
    assert opened.unusable == {"no_frame": 1}


def test_a_recording_as_long_as_the_scan_ends_with_its_last_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings_module, "_FRAMES_SCANNED", 2)
    rows = lines({"recv": T0_S, "raw": BOOK}, {"recv": T0_S + 99, "raw": "PONG"})
    (found,) = recording(tmp_path, rows).windows()
    assert found.close_ns == T0_NS + 99 * 10**9


def test_the_scan_sees_the_same_in_usual_frames_as_in_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = [{"recv": T0_S, "raw": text(book_frame(asset_id="7"))}] * 3
    changes = change_frame(entry(), entry(asset_id=DOWN_TOKEN))
    rows = [*stray, *({"recv": T0_S + n, "raw": text(changes)} for n in range(5))]
    rows += [{"recv": T0_S + 9, "slug": SLUG, "raw": BOOK}] * 3
    (found,) = recording(tmp_path, lines(*rows), "first.jsonl").windows()
    assert {found.up_token_id, found.down_token_id} == {UP_TOKEN, DOWN_TOKEN}
    monkeypatch.setattr(recordings_module, "usual_frame", lambda _raw: None)
    assert recording(tmp_path, lines(*rows), "second.jsonl").windows() == (found,)


@pytest.mark.parametrize(
    "row",
    [
        {"recv_ns": T0_NS, "slug": SLUG, "raw": "x"},
        {"recv": T0_S + 0.25, "raw": "x"},
        {"recv": T0_S, "raw": "x", "slug": "other"},
        {"recv_ns": None, "recv": T0_S * 1000, "raw": "x"},
        {"recv_ns": T0_NS, "recv": 5, "raw": "x"},
    ],
)
def test_a_usual_line_is_read_as_any_other(row: dict[str, Any]) -> None:
    record = json.dumps(row).encode()
    assert usual_line(record) == envelope_frame(decode_json(record))


@pytest.mark.parametrize(
    "row",
    [
        {"recv_ns": 0, "raw": "x"},
        {"raw": "x"},
        {"recv": str(T0_S), "raw": "x"},
        {"recv": T0_S, "raw": "x", "source": "binance"},
        {"recv": T0_S, "raw": {"market": "x"}},
    ],
)
def test_any_other_line_is_left_to_the_general_rules(row: dict[str, Any]) -> None:
    assert usual_line(json.dumps(row).encode()) is None
