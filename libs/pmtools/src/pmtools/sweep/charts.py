"""The charts of a sweep as SVG: heat maps over two variables, and differences with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from matplotlib.axes import Axes

from pmtools.study.charts import svg_of
from pmtools.sweep.compare import Figures

_MOST_NUMBERS = 150
"""With more tiles the colours stand alone."""
_MOST_BARS = 40


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """One figure by the values of two variables; a tile without a cell is None.

    `around_zero`: red is below zero and blue above.
    """

    title: str
    across: str
    down: str
    columns: list[str]
    rows: list[str]
    tiles: list[list[float | None]]
    around_zero: bool
    digits: str


def heat_chart(one: HeatMap) -> str:
    """The heat map; each tile has its number while there are not too many."""
    values = np.array([[np.nan if v is None else v for v in row] for row in one.tiles])

    def draw(axes: Axes) -> None:
        most = float(np.nanmax(np.abs(values))) if not np.isnan(values).all() else 0.0
        most = most or 1.0
        shown = axes.pcolormesh(
            values,
            cmap="RdBu" if one.around_zero else "YlGn",
            edgecolors="white",
            vmin=-most if one.around_zero else 0.0,
            vmax=most,
        )
        axes.figure.colorbar(shown, ax=axes)
        axes.grid(visible=False)
        axes.invert_yaxis()
        axes.set_xticks(np.arange(len(one.columns)) + 0.5, one.columns)
        axes.set_yticks(np.arange(len(one.rows)) + 0.5, one.rows)
        axes.set(xlabel=one.across, ylabel=one.down)
        axes.set_title(one.title, fontsize=10)
        if values.size > _MOST_NUMBERS:
            return
        for (y, x), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
            red, green, blue, _ = shown.cmap(shown.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            axes.text(
                x + 0.5,
                y + 0.5,
                format(value, one.digits),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )

    height = max(2.6, 1.3 + 0.32 * len(one.rows))
    return svg_of(draw, (max(5.0, 1.8 + 0.5 * len(one.columns)), height))


def differences_chart(figures: Sequence[Figures]) -> str:
    """Dollars a window above the base, the best cell first; of many the best and the worst."""
    half = _MOST_BARS // 2
    shown = figures if len(figures) <= _MOST_BARS else [*figures[:half], *figures[-half:]]

    def draw(axes: Axes) -> None:
        places = np.arange(len(shown))
        for offset, label, colour in (
            (-0.15, "less base", "C0"),
            (0.15, "less thinned base", "C1"),
        ):
            many = [o.against_base if offset < 0 else o.against_thinning for o in shown]
            value = np.array([one.value for one in many])
            low, high = (np.array([getattr(one, end) for one in many]) for end in ("low", "high"))
            # a resample of few windows may leave the figure itself outside
            reach = np.clip([value - low, high - value], 0, None)
            axes.errorbar(
                value, places + offset, xerr=reach, fmt="o", ms=3, lw=1, color=colour, label=label
            )
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set_yticks(places, [one.cell.replace(" ", "\n") for one in shown], fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("dollars a window, with 95 % intervals")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)

    lines = sum(one.cell.count(" ") + 1 for one in shown)
    return svg_of(draw, (6.5, max(2.6, 1.4 + 0.14 * lines + 0.16 * len(shown))))
