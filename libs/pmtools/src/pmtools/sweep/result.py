"""What a sweep came to, and what a reader must know before he believes it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmtools.sweep.compare import Figures, Interval
from pmtools.sweep.grid import BASE, Cell
from pmtools.sweep.windows import Row


class SweepResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows. `others`: cells of other grids that went into the same folder."""

    grid: str
    cells: Sequence[Cell]
    figures: Sequence[Figures]
    rows: Sequence[Row]
    windows_set: str
    test_reads: int
    others: int = 0


def said_of(result: SweepResult) -> list[str]:
    """What a reader must know before he believes a figure, one sentence each."""
    windows = {row.slug for row in result.rows}
    marked = {row.slug for row in result.rows if not row.settled}
    said = [
        f"{len(windows)} windows ({result.windows_set} set), {len(marked)} of them without a "
        "winner, marked at the last mid",
        f"the test windows were read {result.test_reads} times into this folder",
    ]
    compared = [one for one in result.figures if one.cell != BASE]
    if compared:
        apart = sum(not one.against_base.low <= 0 <= one.against_base.high for one in compared)
        said.insert(
            0,
            f"{len(compared)} cells were compared with the base: of so many, about "
            f"{len(compared) * 0.05:.1f} differ by chance alone at 95 %; the intervals of "
            f"{apart} leave out 0",
        )
    if result.others:
        said.append(
            f"this folder also has rows of {result.others} cells of other grids or names: they "
            "were tried too"
        )
    return said


def interval_text(interval: Interval) -> str:
    """+0.12 [-0.20, +0.46]."""
    return f"{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
