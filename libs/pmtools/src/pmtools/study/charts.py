"""The charts of a report as SVG, drawn by matplotlib: the same figures give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmtools.study.figures import STRETCHES, ReportFigures
from pmtools.study.tables import Tables

_INCHES = (5.0, 3.1)
_MOST_REASONS = 7
_STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {
        "svg.hashsalt": "pmtools",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": "#dddddd",
        "lines.linewidth": 1.2,
        "legend.frameon": False,
        "legend.fontsize": 8,
    },
]
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def equity_chart(figures: ReportFigures) -> str:
    """Dollars added up over the windows; windows without a winner are marked at their mid."""

    def draw(axes: Axes) -> None:
        numbers = range(1, len(figures.equity) + 1)
        axes.plot(numbers, [one.equity for one in figures.equity], drawstyle="steps-post")
        marked = [
            (number, one.equity)
            for number, one in zip(numbers, figures.equity, strict=True)
            if not one.settled
        ]
        if marked:
            axes.plot(*zip(*marked, strict=True), "o", mfc="none", ms=3, label="without a winner")
            axes.legend()
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set(xlabel="window", ylabel="dollars")

    return svg_of(draw)


def parts_chart(figures: ReportFigures) -> str:
    """Where the profit came from."""

    def draw(axes: Axes) -> None:
        parts = {**figures.profit_parts, "profit": sum(figures.profit_parts.values())}
        bars = axes.bar(list(parts), list(parts.values()), color=["C0"] * 4 + ["C7"])
        axes.bar_label(bars, fmt="%+.2f", fontsize=8)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.margins(y=0.15)
        axes.set_ylabel("dollars")

    return svg_of(draw)


def markout_chart(figures: ReportFigures) -> str:
    """Cents a share against time, each with the band of its interval."""

    def draw(axes: Axes) -> None:
        horizons = list(dict.fromkeys(point.horizon for point in figures.markouts))
        for number, legs in enumerate(dict.fromkeys(point.legs for point in figures.markouts)):
            own = [point for point in figures.markouts if point.legs == legs]
            places = [horizons.index(point.horizon) for point in own]
            colour = f"C{number}"
            axes.plot(places, [p.cents.value for p in own], "o-", ms=3, color=colour, label=legs)
            if all(point.cents.low is not None for point in own):
                low = [point.cents.low or 0.0 for point in own]
                high = [point.cents.high or 0.0 for point in own]
                axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_xticks(range(len(horizons)), horizons)
        axes.set(xlabel="after the fill", ylabel="cents a share")
        axes.legend()

    return svg_of(draw)


def survival_chart(figures: ReportFigures) -> str:
    """The part of the first legs that waits for its partner."""

    def draw(axes: Axes) -> None:
        seconds, left = zip(*figures.unpaired_after, strict=True)
        axes.plot(seconds, left, drawstyle="steps-post")
        axes.set(xlabel="seconds after the fill", ylabel="not paired yet", ylim=(0, 1.02))
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=0)

    return svg_of(draw)


def reasons_chart(figures: ReportFigures) -> str:
    """What kept bids away over the window's time."""

    def draw(axes: Axes) -> None:
        shown = dict(list(figures.reasons.items())[:_MOST_REASONS])
        others = list(figures.reasons.values())[_MOST_REASONS:]
        if others:
            shown["others"] = [sum(parts) for parts in zip(*others, strict=True)]
        times = [100 * (index + 0.5) / STRETCHES for index in range(STRETCHES)]
        names = ["a bid rests" if name == "none" else name for name in shown]
        axes.stackplot(times, list(shown.values()), labels=names, alpha=0.85)
        axes.set(xlabel="% of the window", ylabel="part of both sides' time", ylim=(0, 1))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=3)

    return svg_of(draw)


def quotes_chart(tables: Tables, slug: str, open_ns: int) -> str:
    """One window: Up's book, our bids as prices of Up, and the fills."""
    seconds, fills = tables.seconds.filter(slug=slug), tables.fills.filter(slug=slug)

    def draw(axes: Axes) -> None:
        times = ((seconds["at_ns"] - open_ns) / NS_PER_S).to_list()

        def line(column: pl.Series, style_: str, label: str) -> None:
            axes.plot(
                times, _prices(column), style_, drawstyle="steps-post", label=label, linewidth=1
            )

        line(seconds["up_bid_e4"], "C7-", "best bid and ask")
        line(seconds["up_ask_e4"], "C7-", "")
        line(seconds["up_quote_e4"], "C2-", "our bid, Up")
        line(PRICE_ONE_E4 - seconds["down_quote_e4"], "C3-", "our bid, Down (as 1 - price)")
        for outcome, marker in (("up", "C2^"), ("down", "C3v")):
            own = fills.filter(outcome=outcome)
            price = own["price_e4"] if outcome == "up" else PRICE_ONE_E4 - own["price_e4"]
            when = (own["since_open_ns"] / NS_PER_S).to_list()
            axes.plot(when, _prices(price), marker, ms=5, label=f"fill, {outcome}")
        axes.set(xlabel="seconds since the open", ylabel="price of Up")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=3)

    return svg_of(draw)


def flow_chart(tables: Tables, slug: str, open_ns: int) -> str:
    """One window: the flow's score of each outcome and the threshold above which it is toxic."""
    seconds = tables.seconds.filter(slug=slug)

    def draw(axes: Axes) -> None:
        times = ((seconds["at_ns"] - open_ns) / NS_PER_S).to_list()
        for outcome, colour in (("up", "C2"), ("down", "C3")):
            score = (seconds[f"{outcome}_ofi_u6"].abs() / SHARE_U6).to_list()
            limit = (seconds[f"{outcome}_threshold_u6"] / SHARE_U6).to_list()
            axes.plot(times, score, color=colour, label=f"size of the score, {outcome}")
            axes.plot(times, limit, "--", color=colour, label=f"threshold, {outcome}")
        axes.set(xlabel="seconds since the open", ylabel="shares")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2)

    return svg_of(draw)


def _prices(column: pl.Series) -> list[float]:
    """Dollars; a gap where nothing is known."""
    return [float("nan") if e4 is None else e4 / PRICE_ONE_E4 for e4 in column]


def svg_of(draw: Callable[[Axes], None], inches: tuple[float, float] = _INCHES) -> str:
    """What `draw` puts into the axes, as an SVG element."""
    file = io.StringIO()
    with style.context(_STYLE):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(file, format="svg", metadata=_NO_METADATA)
    text = file.getvalue()
    return text[text.index("<svg") :]
