"""Feed, engine and replay are measured on the operator's recording or on one of a seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmsim.recordings.reader import Recording
from pmtools.bench import frame_costs, replay_cost
from pmtools.bench.recordings import recording_of
from pmtools.errors import UsageError
from support.small_recording import write_recording


def test_without_a_file_a_synthetic_market_is_recorded() -> None:
    with recording_of(None, 50) as recording:
        assert len(list(recording.frames())) >= 50
        assert len(recording.windows()) == 1
        path = recording.path
    assert not path.exists()


def test_a_file_of_the_operator_is_read_and_stays(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mine.jsonl")
    with recording_of(path, 50) as recording:
        assert recording.path == path
    assert path.exists()


@pytest.mark.parametrize("content", [None, "", "no recording\n"])
def test_a_file_that_is_no_recording_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "wrong.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"--file .*wrong\.jsonl: "), recording_of(path, 50):
        pass


def test_a_frame_is_measured_beside_its_json(tmp_path: Path) -> None:
    """More samples than frames: the recording begins again with new books."""
    path = write_recording(tmp_path / "mine.jsonl", seconds=10)
    for measure in (frame_costs.measure_feed, frame_costs.measure_engine):
        (figure,) = measure(path, 2, 30)
        assert (figure.rounds, figure.samples) == (2, 60)
        assert figure.ratio > 1
        assert figure.rate_per_s > 0


def test_a_replay_is_measured_with_and_without_hashes_and_reading(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "mine.jsonl", seconds=10)
    figures = replay_cost.measure(path, 2, 1)
    assert [one.name for one in figures] == [
        "replay, verifying hashes",
        "replay, without hashes",
        "replay, without hashes and reading",
    ]
    assert [one.samples for one in figures] == [2, 2, 2]
    assert figures[0].ratio > 1


def test_the_copy_without_hashes_has_none_and_the_same_frames(tmp_path: Path) -> None:
    recording = Recording(write_recording(tmp_path / "mine.jsonl", seconds=10))
    kept = replay_cost.copy_of(recording, tmp_path / "kept.jsonl", hashed=True)
    bare = replay_cost.copy_of(recording, tmp_path / "bare.jsonl", hashed=False)
    frames = list(recording.frames())
    assert [one.raw for one in Recording(kept).frames()] == [one.raw for one in frames]
    emptied = list(Recording(bare).frames())
    assert [one.recv_ns for one in emptied] == [one.recv_ns for one in frames]
    assert not any('"hash": "' in one.raw and '"hash": ""' not in one.raw for one in emptied)
    assert any('"hash":""' in one.raw for one in emptied)
