"""The result of a sweep as one HTML file."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from statistics import fmean

from pmsim.queue.line import FillModel
from pmtools.study.html import document, image, listed, missing, section, table
from pmtools.sweep.charts import HeatMap, differences_chart, heat_chart
from pmtools.sweep.compare import Figures
from pmtools.sweep.grid import BASE
from pmtools.sweep.result import SweepResult, interval_text, said_of

_TILE = tuple[str, Callable[[Figures, float], float], bool, str]
_TILES: tuple[_TILE, ...] = (
    ("profit, $ a window", lambda one, _: one.profit.value, True, "+.2f"),
    ("markout, ¢ a share at 5 s", lambda one, _: one.cents_at_5s.value, True, "+.2f"),
    ("fills a window", lambda _, fills: fills, False, ".1f"),
    ("both bids rest, % of the time", lambda one, _: 100 * one.both_rest_share, False, ".1f"),
)


def page(result: SweepResult) -> str:
    """The whole page."""
    body = [
        listed(said_of(result)),
        '<div class="grid">',
        _differences(result),
        *_heat_maps(result),
        _figures_table(result),
        "</div>",
        '<p class="note">Intervals are 95 % of 2,000 resamples of whole windows.</p>',
    ]
    return document(f"Sweep of {result.grid}", body)


def _differences(result: SweepResult) -> str:
    title = "Profit a window less that of the base, in the same windows"
    compared = [one for one in result.figures if one.cell != BASE]
    if not compared:
        return missing(title, "The grid has no cell but the base.")
    chart = image(differences_chart(compared), "differences to the base with intervals")
    note = "Less thinned base: above what the base makes when it pauses at random and trades as "
    note += "few shares. Of more than 40 cells the best and the worst 20 are drawn."
    return section(title, chart, note, wide=True)


def _heat_maps(result: SweepResult) -> list[str]:
    names = list(dict.fromkeys(name for cell in result.cells for name in cell.varied))
    if len(names) < 2:
        why = "A heat map needs two variables in [vary]"
        return [missing("Heat maps", f"{why}; the table has every cell.")]
    return [
        section(
            f"{across} and {down}",
            '<div class="grid">'
            + "".join(
                image(heat_chart(one), f"{one.title} by {across} and {down}")
                for one in heat_maps(result, across, down)
            )
            + "</div>",
            "" if len(names) == 2 else "Means over the other variables of [vary].",
            wide=True,
        )
        for down, across in itertools.combinations(names, 2)
    ]


def heat_maps(result: SweepResult, across: str, down: str) -> list[HeatMap]:
    """One for each figure; a tile is the mean of the cells with its two values."""
    varied = [cell for cell in result.cells if cell.varied]
    columns = list(dict.fromkeys(cell.varied[across] for cell in varied))
    rows = list(dict.fromkeys(cell.varied[down] for cell in varied))
    figures = {one.cell: one for one in result.figures}
    fills = _fills_a_window(result)

    def tile(figure: Callable[[Figures, float], float], column: str, row: str) -> float | None:
        own = [
            figure(figures[cell.name], fills[cell.name])
            for cell in varied
            if (cell.varied[across], cell.varied[down]) == (column, row) and cell.name in figures
        ]
        return fmean(own) if own else None

    return [
        HeatMap(
            title=title,
            across=across,
            down=down,
            columns=columns,
            rows=rows,
            tiles=[[tile(figure, column, row) for column in columns] for row in rows],
            around_zero=around_zero,
            digits=digits,
        )
        for title, figure, around_zero, digits in _TILES
    ]


def _fills_a_window(result: SweepResult) -> dict[str, float]:
    """Of the windows that a cell shares with the base, as its other figures are."""
    of_base = {row.slug for row in result.rows if row.cell == BASE}
    fills: dict[str, list[int]] = {}
    for row in result.rows:
        if row.slug in of_base:
            fills.setdefault(row.cell, []).append(row.fills)
    return {cell: fmean(counts) for cell, counts in fills.items()}


def _figures_table(result: SweepResult) -> str:
    fills = _fills_a_window(result)
    heads = (
        *("cell", "windows", "profit", "pessimistic", "optimistic", "less base"),
        *("less thinned base", "¢ a share", "¢ at 5 s", "fills", "shares", "paired"),
        *("pair cost", "both rest"),
    )
    rows = [
        (
            one.cell,
            str(one.windows),
            interval_text(one.profit),
            interval_text(one.ledgers[FillModel.PESSIMISTIC]),
            interval_text(one.ledgers[FillModel.OPTIMISTIC]),
            "" if one.cell == BASE else interval_text(one.against_base),
            "" if one.cell == BASE else interval_text(one.against_thinning),
            f"{one.cents_a_share:+.2f}",
            interval_text(one.cents_at_5s),
            f"{fills[one.cell]:.1f}",
            f"{one.shares:.1f}",
            f"{one.paired_part:.0%}",
            f"{one.pair_cost:.3f}",
            f"{one.both_rest_share:.1%}",
        )
        for one in result.figures
    ]
    note = "Profit, pessimistic, optimistic and differences: dollars a window. A row for each cell "
    note += "and window is in rows.parquet."
    return section("Every cell", table(heads, rows), note, wide=True)
