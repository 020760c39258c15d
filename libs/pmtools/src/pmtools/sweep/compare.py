"""From rows to figures: means over windows with intervals, and differences to the base.

Intervals are percentiles of 2,000 resamples of whole windows, drawn with a fixed seed: fills of
one window belong together and are not resampled one by one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from statistics import median

import msgspec

from pmsim.queue.line import FillModel
from pmtools.sweep.grid import BASE
from pmtools.sweep.windows import Row

RESAMPLES = 2_000
_LOW, _HIGH = 0.025, 0.975


class Interval(msgspec.Struct, frozen=True):
    """A figure and where 95 % of its resamples are."""

    value: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """One cell over all windows that it shares with the base.

    `against_thinning` is the profit a window above what the base would have made had it traded as
    few shares as this cell by pausing at random: its profit a share, times this cell's shares.
    """

    cell: str
    windows: int
    profit: Interval
    against_base: Interval
    against_thinning: Interval
    cents_a_share: float
    shares: float
    paired_part: float
    pair_cost: float
    both_rest_share: float
    cents_at_5s: Interval
    """Cents a share of the fills' markouts 5 s later; 0 without any."""
    median_at_5s: float
    """Of the fills, whatever their size."""
    ledgers: dict[str, Interval]
    """By fill model, the profit a window that the same orders would have made by its rules."""


def compare(rows: Sequence[Row]) -> list[Figures]:
    """The figures of every cell, the base first, the others from best to worst mean profit."""
    by_cell: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, {})[row.slug] = row
    base = by_cell.get(BASE, {})
    figures = [_figures(name, own, base) for name, own in by_cell.items() if own.keys() & base]
    return sorted(figures, key=lambda one: (one.cell != BASE, -one.profit.value))


def _figures(cell: str, own: dict[str, Row], base: dict[str, Row]) -> Figures:
    slugs = sorted(own.keys() & base.keys())
    pairs = [(own[slug], base[slug]) for slug in slugs]
    count = len(pairs)
    profit, base_profit = [a.profit for a, _ in pairs], [b.profit for _, b in pairs]
    shares, base_shares = [a.shares for a, _ in pairs], [b.shares for _, b in pairs]
    paired = sum(a.paired for a, _ in pairs)

    def above_thinned(drawn: Sequence[int]) -> float:
        most = sum(base_shares[i] for i in drawn)
        kept = sum(shares[i] for i in drawn) / most if most else 0.0
        return sum(profit[i] - kept * base_profit[i] for i in drawn) / count

    marked = [(_weighted(a), sum(size for _, size in a.markouts_5s)) for a, _ in pairs]

    def at_5s(drawn: Sequence[int]) -> float:
        marked_shares = sum(marked[i][1] for i in drawn)
        return sum(marked[i][0] for i in drawn) / marked_shares if marked_shares else 0.0

    markouts = [cents for a, _ in pairs for cents, _ in a.markouts_5s]
    return Figures(
        cell=cell,
        windows=count,
        profit=_mean(profit),
        against_base=_interval(
            count, lambda drawn: sum(profit[i] - base_profit[i] for i in drawn) / count
        ),
        against_thinning=_interval(count, above_thinned),
        cents_a_share=100 * sum(profit) / sum(shares) if any(shares) else 0.0,
        shares=sum(shares) / count,
        paired_part=2 * paired / sum(shares) if any(shares) else 0.0,
        pair_cost=sum(a.pair_cost * a.paired for a, _ in pairs) / paired if paired else 0.0,
        both_rest_share=sum(a.both_rest_share for a, _ in pairs) / count,
        cents_at_5s=_interval(count, at_5s),
        median_at_5s=median(markouts) if markouts else 0.0,
        ledgers={model.value: _mean([a.ledgers[model] for a, _ in pairs]) for model in FillModel},
    )


def _weighted(row: Row) -> float:
    return sum(cents * shares for cents, shares in row.markouts_5s)


def _mean(values: Sequence[float]) -> Interval:
    count = len(values)
    return _interval(count, lambda drawn: sum(values[i] for i in drawn) / count)


def _interval(count: int, figure: Callable[[Sequence[int]], float]) -> Interval:
    sorted_figures = sorted(figure(drawn) for drawn in _resamples(count))
    low, high = (sorted_figures[int(part * (RESAMPLES - 1))] for part in (_LOW, _HIGH))
    return Interval(figure(range(count)), low, high)


@cache
def _resamples(count: int) -> list[list[int]]:
    """Which windows each resample holds; the same for all cells, so that they are comparable."""
    dice = random.Random(0)  # noqa: S311 - resampling
    return [dice.choices(range(count), k=count) for _ in range(RESAMPLES)]
