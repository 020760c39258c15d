"""The recorder's files: notes around the frames, who won, and a folder that is full."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec

from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmcore.shell.journal import journal_parts, read_journal
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmfeed.metrics import FeedMetrics
from pmfeed.recorder import Recorder, record_winner, without_winner
from support.builders import T0_NS, window

WINDOW = window()


def recorder(folder: Path, logs: io.StringIO, max_bytes: int = 10**9) -> Recorder:
    return Recorder(
        folder,
        WINDOW,
        begins_ns=T0_NS,
        max_bytes=max_bytes,
        metrics=FeedMetrics(ServiceMetrics("feed", version="1", mode="sim")),
        log=configure_logs("feed", "debug", logs),
    )


def _lines(folder: Path) -> list[dict[str, object]]:
    parts = journal_parts(folder / "recordings", WINDOW.slug)
    return [msgspec.json.decode(line) for part in parts for line in read_journal(part)]


def test_notes_stand_around_the_frames_of_one_process(tmp_path: Path) -> None:
    for _ in range(2):
        one = recorder(tmp_path, io.StringIO())
        one.write(T0_NS + 1, "[]")
        one.close(T0_NS + NS_PER_S)
    kinds = [line.get("note", "frame") for line in _lines(tmp_path)]
    assert kinds == ["begun", "frame", "ended"] * 2


def test_what_comes_after_the_end_is_not_written(tmp_path: Path) -> None:
    one = recorder(tmp_path, io.StringIO())
    one.close(T0_NS)
    one.write(T0_NS + 1, "x" * 1_000_000)
    one.note(T0_NS + 1, "down the window is over")
    one.close(T0_NS + 1)
    assert [line["note"] for line in _lines(tmp_path)] == ["begun", "ended"]


def test_a_full_folder_takes_no_new_window_and_loses_none(tmp_path: Path) -> None:
    first = recorder(tmp_path, io.StringIO())
    first.write(T0_NS, "[]")
    first.close(T0_NS)
    before = _lines(tmp_path)
    logs = io.StringIO()
    full = recorder(tmp_path, logs, max_bytes=10)
    full.write(T0_NS, "[]")
    full.flush()
    full.close(T0_NS)
    assert _lines(tmp_path) == before
    assert "PM_RECORD_MAX_GB" in logs.getvalue()


def test_winners_are_added_to_those_that_are_known(tmp_path: Path) -> None:
    assert record_winner(tmp_path, "a", Outcome.UP) == ""
    assert record_winner(tmp_path, "b", Outcome.DOWN) == ""
    told = msgspec.json.decode((tmp_path / "recordings/winners.json").read_bytes())
    assert told == {"a": "up", "b": "down"}


def test_a_file_of_winners_that_cannot_be_read_stays(tmp_path: Path) -> None:
    path = tmp_path / "recordings/winners.json"
    path.parent.mkdir()
    path.write_text("{broken")
    assert str(path) in record_winner(tmp_path, "a", Outcome.UP)
    assert path.read_text() == "{broken"


def test_windows_that_are_over_and_have_no_winner(tmp_path: Path) -> None:
    assert without_winner(tmp_path, WINDOW.series, WINDOW.close_ns) == []
    recorder(tmp_path, io.StringIO()).close(T0_NS)
    assert without_winner(tmp_path, WINDOW.series, WINDOW.close_ns - 1) == []
    assert without_winner(tmp_path, "other", WINDOW.close_ns) == []
    assert without_winner(tmp_path, WINDOW.series, WINDOW.close_ns) == [WINDOW.slug]
    record_winner(tmp_path, WINDOW.slug, Outcome.UP)
    assert without_winner(tmp_path, WINDOW.series, WINDOW.close_ns) == []
    (tmp_path / "recordings/winners.json").write_text("{broken")
    assert without_winner(tmp_path, WINDOW.series, WINDOW.close_ns) == []
