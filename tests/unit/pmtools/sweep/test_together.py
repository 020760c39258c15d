"""Cells that are replayed side by side share their books, and nothing else."""

from __future__ import annotations

from pathlib import Path

from pmcore.model.latency import parse_latencies
from pmtools.sweep.grid import Cell, read_grid
from pmtools.sweep.windows import TOGETHER, Row, sweep_file

RECORDING = Path(__file__).parents[3] / "recordings/btc-updown-30s-1795630170.jsonl.zst"
GRID = """
[base]
PM_OFI_TOXICITY_THRESHOLD = 1000
[vary]
PM_PAIR_TARGET = [0.97, 0.98, 0.99]
PM_BID_SIZE = [5, 6, 7]
PM_DEBOUNCE_MS = [0, 700]
"""


def rows(cells: list[Cell]) -> list[Row]:
    keyed = [(cell.name, cell) for cell in cells]
    return sweep_file(RECORDING, keyed, parse_latencies("40/90/250", 1))


def test_a_cell_does_the_same_beside_others_as_alone(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    cells = read_grid(tmp_path / "grid.toml")
    assert len(cells) > TOGETHER
    together = rows(cells)
    assert len({(row.profit, row.fills, row.orders) for row in together}) > 1
    assert together == [row for cell in cells for row in rows([cell])]
