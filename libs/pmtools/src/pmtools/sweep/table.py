"""The rows of a sweep as one Parquet file, a row for each cell and window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmsim.queue.line import FillModel
from pmsim.recordings.kept_back import is_test_window
from pmtools.errors import UsageError
from pmtools.study.schema import flag, integer, text
from pmtools.study.tables import write_frame
from pmtools.study.watch import TableRow
from pmtools.sweep.grid import Cell
from pmtools.sweep.windows import Row

_PPM = 1_000_000


COLUMNS = (
    text("cell", "the cell's name; base is what the others are compared with"),
    text("slug", "the window"),
    flag("kept_back", "whether it is a test window"),
    flag("settled", "whether its winner is known; else marked at the last mid"),
    integer("profit_u6", "profit in millionths of a dollar"),
    *(
        integer(f"{model.value}_profit_u6", f"that of the same orders by the {model.value} model")
        for model in FillModel
    ),
    integer("fills", "fills"),
    integer("orders", "orders placed"),
    integer("shares_u6", "shares bought"),
    integer("paired_u6", "pairs, first in first out"),
    integer("pair_cost_e4u6", "the cost of the pairs, price times shares, rounded"),
    integer("residual_u6", "shares without a partner"),
    integer("both_rest_ppm", "how long both bids rested, in millionths of the quoting time"),
    integer("marked_5s_u6", "shares of fills whose mid is known 5 s later"),
    integer("markout_5s_2_e4u6", "twice (mid less price) 5 s after a fill, times shares, summed"),
)
"""Behind them stands a column of text for each variable of [vary]."""


def write_rows(path: Path, cells: Sequence[Cell], rows: Sequence[Row]) -> None:
    """Write the file anew. Raise `UsageError` where it cannot be written."""
    by_name = {cell.name: cell for cell in cells}
    varied = list(dict.fromkeys(name for cell in cells for name in cell.varied))
    columns = [
        *COLUMNS,
        *(text(name, "the value of this variable of [vary]") for name in varied),
    ]
    try:
        write_frame(path, columns, [_row(by_name[row.cell], row) for row in rows])
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _row(cell: Cell, row: Row) -> TableRow:
    return {
        "cell": row.cell,
        "slug": row.slug,
        "kept_back": is_test_window(row.slug),
        "settled": row.settled,
        "profit_u6": _u6(row.profit),
        **{f"{model.value}_profit_u6": _u6(row.ledgers[model.value]) for model in FillModel},
        "fills": row.fills,
        "orders": row.orders,
        "shares_u6": _u6(row.shares),
        "paired_u6": _u6(row.paired),
        "pair_cost_e4u6": round(row.pair_cost * row.paired * PRICE_ONE_E4 * SHARE_U6),
        "residual_u6": _u6(row.residual),
        "both_rest_ppm": round(row.both_rest_share * _PPM),
        "marked_5s_u6": sum(_u6(shares) for _, shares in row.markouts_5s),
        "markout_5s_2_e4u6": sum(
            round(cents * 200) * _u6(shares) for cents, shares in row.markouts_5s
        ),
        **cell.varied,
    }


def _u6(value: float) -> int:
    return round(value * SHARE_U6)
