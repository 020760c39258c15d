"""Charts as SVG text, drawn by matplotlib: the same values give the same bytes.

The text holds no date and no chance, and letters stay letters, so that a chart is small and a
change of it can be read.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INCHES = (7.5, 3.2)
_CHANGES: dict[str, Any] = {
    "svg.hashsalt": "pmresearch",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.0,
    "legend.frameon": False,
}
_STYLE: list[str | Path | dict[str, Any]] = ["default", _CHANGES]
"""Nothing of a person's own settings of matplotlib counts."""
_COLOURS = {
    "market_books": "C0",
    "books_1hz": "C1",
    "polybot": "C2",
    "caio": "C3",
    "synthetic": "C4",
    "bwijn": "C5",
}
"""A source of figures has one colour in all charts; other series take the next free one."""
_NO_DATE = {"Date": None, "Creator": None}

Points = Sequence[tuple[float, float]]


def line_chart(
    title: str,
    series: Mapping[str, Points],
    *,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
) -> str:
    """Lines over the range of the ticks; what lies outside it is cut off."""
    with style.context(_STYLE):
        figure, axes = _page(title)
        for name, points in series.items():
            axes.plot(
                [x for x, _ in points], [y for _, y in points], label=name, color=_COLOURS.get(name)
            )
        axes.set_xticks(*zip(*x_ticks, strict=True))
        axes.set_yticks(*zip(*y_ticks, strict=True))
        axes.set_xlim(x_ticks[0][0], x_ticks[-1][0])
        axes.set_ylim(y_ticks[0][0], y_ticks[-1][0])
        return _text_of(figure, axes)


def bar_chart(
    title: str, groups: Sequence[str], series: Mapping[str, Sequence[float | None]], top: float
) -> str:
    """Bars side by side for each group, from 0 to `top`; a missing value has no bar.

    A bar that is higher than `top` is cut off, and its number stands at its cut end.
    """
    width = 0.8 / max(1, len(series))
    with style.context(_STYLE):
        figure, axes = _page(title)
        for number, (name, values) in enumerate(series.items()):
            shift = (number - (len(series) - 1) / 2) * width
            known = [
                (place + shift, value) for place, value in enumerate(values) if value is not None
            ]
            heights = [min(value, top) for _, value in known]
            bars = axes.bar(
                [x for x, _ in known], heights, 0.9 * width, label=name, color=_COLOURS.get(name)
            )
            axes.bar_label(bars, [_number(value) for _, value in known], padding=1, fontsize=6)
        axes.set_xticks(range(len(groups)), groups)
        axes.set_ylim(0, top * 1.05)
        return _text_of(figure, axes)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _page(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", pad=22)
    return figure, axes


def _text_of(figure: Figure, axes: Axes) -> str:
    """The SVG, with the legend in one row under the title."""
    names = axes.get_legend_handles_labels()[1]
    if names:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), borderaxespad=0.3)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=_NO_DATE)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join(lines) + "\n"
