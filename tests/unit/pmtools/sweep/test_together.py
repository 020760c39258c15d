"""Cells that are replayed side by side share their books, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.model.latency import parse_latencies
from pmtools.replay.window import WindowReplay
from pmtools.sweep.grid import Cell, read_grid
from pmtools.sweep.windows import TOGETHER, Row, sweep_file
from support.small_recording import write_recording

RECORDING = Path(__file__).parents[3] / "recordings/btc-updown-30s-1795630170.jsonl.zst"
GRID = """
[base]
PM_OFI_TOXICITY_THRESHOLD = 1000
[vary]
PM_PAIR_TARGET = [0.97, 0.98, 0.99]
PM_BID_SIZE = [5, 6, 7]
PM_DEBOUNCE_MS = [0, 700]
"""


def rows(cells: list[Cell], recording: Path = RECORDING, latency: str = "40/90/250") -> list[Row]:
    keyed = [(cell.name, cell) for cell in cells]
    return sweep_file(recording, keyed, parse_latencies(latency, 1))


def test_a_cell_does_the_same_beside_others_as_alone(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    cells = read_grid(tmp_path / "grid.toml")
    assert len(cells) > TOGETHER
    together = rows(cells)
    assert len({(row.profit, row.fills, row.orders) for row in together}) > 1
    assert together == [row for cell in cells for row in rows([cell])]


def test_a_request_that_is_due_with_a_frame_meets_the_book_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another cell takes the frame first; frames are a second apart, as long as a request takes."""
    recording = write_recording(tmp_path / "window.jsonl")
    (tmp_path / "grid.toml").write_text("[base]\nPM_OFI_TOXICITY_THRESHOLD = 1000\n")
    due, waiting = 0, 0
    reach = WindowReplay.reach

    async def looked_at(replay: WindowReplay, at_ns: int) -> None:
        nonlocal due, waiting
        executor = vars(replay)["_executor"]
        before_ns = vars(executor)["_venue"].next_ns()
        await reach(replay, at_ns)
        after_ns = vars(executor)["_venue"].next_ns()
        due += before_ns == at_ns
        waiting += after_ns is not None and after_ns <= at_ns

    monkeypatch.setattr(WindowReplay, "reach", looked_at)
    assert rows(read_grid(tmp_path / "grid.toml"), recording, "1000")[0].orders
    assert due
    assert not waiting
