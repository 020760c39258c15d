"""What tables show: sums, means with intervals, curves. Money becomes dollars only here.

An interval is 95 % of 2,000 resamples of whole windows, drawn with a fixed seed: fills of one
window belong together and are not resampled one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl

from pmcore.machines.markouts import HORIZONS_S
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmsim.queue.line import FillModel
from pmtools.study.schema import PARTS
from pmtools.study.tables import Tables

RESAMPLES = 2_000
STRETCHES = 20
"""Into how many stretches of equal length a window is cut for the reasons over time."""
_DOLLAR2_E4U6 = 2 * PRICE_ONE_E4 * SHARE_U6
_PERCENTILES = (2.5, 97.5)
SETTLEMENT = "settlement"


class Estimate(msgspec.Struct, frozen=True):
    """A figure and its interval; without an interval there was one window only."""

    value: float
    low: float | None = None
    high: float | None = None


class MarkoutPoint(msgspec.Struct, frozen=True):
    """Cents a share so long after the fill, of the fills whose mid is known then."""

    legs: str
    horizon: str
    cents: Estimate
    fills: int
    windows: int


class LedgerFigures(msgspec.Struct, frozen=True):
    """What one fill model's ledger holds over all windows."""

    fill_model: str
    windows: int
    shares: float
    paid: float
    profit: float
    profit_a_window: Estimate | None
    cents_a_share: Estimate | None


class EquityPoint(msgspec.Struct, frozen=True):
    """One window and the sum until it."""

    slug: str
    open_s: int
    settled: bool
    fills: int
    profit: float | None
    equity: float


class ReportFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a report."""

    windows: int
    settled: int
    marked: int
    without_worth: int
    journals: int
    days: list[str]
    series: list[str]
    settings: int
    """How many different settings the windows were replayed with."""
    acting_models: list[str]
    inferred: int
    """Windows of which the recording did not say all, so that a part was inferred."""
    fills: int
    failed: int
    shares: float
    profit_parts: dict[str, float]
    profit_a_window: Estimate | None
    cents_a_share: Estimate | None
    median_markout_30s_cents: Estimate | None
    markouts: list[MarkoutPoint]
    paired_share: Estimate | None
    pair_cost: float | None
    unpaired_after: list[tuple[float, float]]
    """Seconds, and the part of first-leg fills that is not paired yet (Kaplan-Meier)."""
    both_rest_share: Estimate | None
    reasons: dict[str, list[float]]
    """By reason, the part of both sides' time in each stretch of the window."""
    toxic_share: Estimate | None
    ledgers: list[LedgerFigures]
    equity: list[EquityPoint]


def figures_of(tables: Tables) -> ReportFigures:
    """All figures; what cannot be known is None or empty."""
    windows, slugs = tables.windows, tables.windows["slug"].to_list()
    fills = tables.fills.filter(~pl.col("failed"))
    profit = (windows["profit2_e4u6"] / _DOLLAR2_E4U6).to_numpy()
    known = ~np.isnan(profit.astype(float))
    shares = ((windows["up_u6"] + windows["down_u6"]) / SHARE_U6).to_numpy()
    settled = windows["winner"].is_not_null()
    paired = _by_window(fills, slugs, pl.col("paired_u6").fill_null(0))
    sizes = _by_window(fills, slugs, pl.col("size_u6"))
    toxic = _by_window(tables.seconds, slugs, pl.col("toxic").cast(pl.Int64))
    looked = _by_window(tables.seconds, slugs, pl.lit(1))
    return ReportFigures(
        windows=len(slugs),
        settled=int(settled.sum()),
        marked=int((~settled.to_numpy() & known).sum()),
        without_worth=int((~known).sum()),
        journals=windows.filter(pl.col("kind") == "journal").height,
        days=sorted(set(windows["day"].to_list())),
        series=sorted(set(windows["series"].to_list())),
        settings=windows["settings"].n_unique(),
        acting_models=sorted({model or "the run's own" for model in windows["fill_model"]}),
        inferred=windows.filter(pl.col("inferred") != "").height,
        fills=fills.height,
        failed=tables.fills.height - fills.height,
        shares=float(shares.sum()),
        profit_parts={part: float(fills[f"{part}2_e4u6"].sum()) / _DOLLAR2_E4U6 for part in PARTS},
        profit_a_window=_ratio(profit[known], np.ones(int(known.sum()))),
        cents_a_share=_ratio(100 * profit[known], shares[known]),
        median_markout_30s_cents=_median_by_window(fills, slugs, "markout_30s_2_e4"),
        markouts=_markouts(fills, slugs),
        paired_share=_ratio(paired, sizes),
        pair_cost=_pair_cost(fills),
        unpaired_after=_survival(fills, windows),
        both_rest_share=_ratio(
            windows["both_rest_ns"].to_numpy().astype(float),
            windows["quoting_ns"].to_numpy().astype(float),
        ),
        reasons=_reasons(tables.intervals, windows),
        toxic_share=_ratio(toxic, looked),
        ledgers=_ledgers(tables.ledgers),
        equity=_equity(windows, fills),
    )


def adverse_move(tables: Tables) -> tuple[int, Estimate | None]:
    """How many fills have both mids, and the median move against them in 30 s, in cents."""
    later2_e4 = pl.col("markout_30s_2_e4") + 2 * pl.col("price_e4")
    fills = tables.fills.filter(~pl.col("failed")).with_columns(
        (pl.col("mid2_e4") - later2_e4).alias("move2_e4")
    )
    known = int(fills["move2_e4"].is_not_null().sum())
    return known, _median_by_window(fills, tables.windows["slug"].to_list(), "move2_e4")


def _by_window(frame: pl.DataFrame, slugs: Sequence[str], what: pl.Expr) -> np.ndarray:
    """A sum for each window, 0 where the frame has no row of it."""
    sums = dict(frame.group_by("slug").agg(what.sum().alias("sum")).iter_rows())
    return np.array([float(sums.get(slug) or 0) for slug in slugs])


def _weights(count: int) -> np.ndarray:
    """How often each resample holds each window; the same for every figure of as many windows."""
    dice = np.random.default_rng(0)
    return dice.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)


def _ratio(above: np.ndarray, below: np.ndarray) -> Estimate | None:
    """Sum over sum, resampled by window; None when there is nothing below."""
    if not below.sum():
        return None
    value = float(above.sum() / below.sum())
    if len(below) < 2:
        return Estimate(value)
    drawn = _weights(len(below))
    tops, bottoms = drawn @ above, drawn @ below
    low, high = np.percentile(tops[bottoms > 0] / bottoms[bottoms > 0], _PERCENTILES)
    return Estimate(value, float(low), float(high))


def _pair_cost(fills: pl.DataFrame) -> float | None:
    """Dollars for both legs of a pair, the mean over shares."""
    paired_u6 = int(fills["paired_u6"].sum())
    return int(fills["pair_cost_e4u6"].sum()) / paired_u6 / PRICE_ONE_E4 if paired_u6 else None


def _markouts(fills: pl.DataFrame, slugs: Sequence[str]) -> list[MarkoutPoint]:
    points = []
    names = [*(f"{horizon_s}s" for horizon_s in HORIZONS_S), SETTLEMENT]
    legs = {
        "all": fills,
        "first legs": fills.filter(~pl.col("hedge")),
        "hedges": fills.filter(pl.col("hedge")),
    }
    for leg, own in legs.items():
        for name in names:
            column = pl.col(f"markout_{name}_2_e4")
            known = own.filter(column.is_not_null())
            cents = _ratio(
                _by_window(known, slugs, column * pl.col("size_u6")) / 200,
                _by_window(known, slugs, pl.col("size_u6")),
            )
            if cents is not None:
                points.append(
                    MarkoutPoint(leg, name, cents, known.height, known["slug"].n_unique())
                )
    return points


def _median_by_window(fills: pl.DataFrame, slugs: Sequence[str], column: str) -> Estimate | None:
    """The median of the fills in cents, whatever their size, with an interval over windows."""
    known = fills.filter(pl.col(column).is_not_null()).sort(column)
    if not known.height:
        return None
    cents = known[column].to_numpy() / 200
    if len(slugs) < 2:
        return Estimate(float(np.median(cents)))
    number = {slug: index for index, slug in enumerate(slugs)}
    owner = np.array([number[slug] for slug in known["slug"]])
    medians = []
    for drawn in _weights(len(slugs)):
        reached = np.cumsum(drawn[owner])
        if reached[-1]:
            medians.append(cents[np.searchsorted(reached, reached[-1] / 2)])
    low, high = np.percentile(medians, _PERCENTILES)
    return Estimate(float(np.median(cents)), float(low), float(high))


def _survival(fills: pl.DataFrame, windows: pl.DataFrame) -> list[tuple[float, float]]:
    """Kaplan-Meier: a first leg that never was wholly paired is seen until its window closed."""
    first = fills.filter(~pl.col("hedge") & pl.col("paired_u6").is_not_null()).join(
        windows.select("slug", "close_ns"), on="slug"
    )
    whole = pl.col("paired_u6") == pl.col("size_u6")
    until_close = (pl.col("close_ns") - pl.col("at_ns")).clip(lower_bound=0)
    seen = first.select(
        pl.when(whole).then(pl.col("paired_after_ns")).otherwise(until_close).alias("ns"),
        whole.alias("paired"),
    ).sort("ns")
    curve, at_risk, left = [(0.0, 1.0)], seen.height, 1.0
    for ns, paired in seen.iter_rows():
        if paired:
            left *= 1 - 1 / at_risk
            curve.append((ns / NS_PER_S, left))
        at_risk -= 1
    return curve if seen.height else []


def _reasons(intervals: pl.DataFrame, windows: pl.DataFrame) -> dict[str, list[float]]:
    """The part of the time of each obstacle in each stretch; `none` is a bid that rests."""
    joined = intervals.join(windows.select("slug", "open_ns", "close_ns"), on="slug")
    length = pl.col("close_ns") - pl.col("open_ns")
    parts: dict[str, list[float]] = {}
    for index in range(STRETCHES):
        begin = pl.col("open_ns") + length * index // STRETCHES
        end = pl.col("open_ns") + length * (index + 1) // STRETCHES
        inside = pl.min_horizontal("until_ns", end) - pl.max_horizontal("from_ns", begin)
        by_reason = joined.group_by("obstacle").agg(inside.clip(lower_bound=0).sum().alias("ns"))
        total = float(by_reason["ns"].sum())
        for obstacle, ns in by_reason.iter_rows():
            parts.setdefault(obstacle, [0.0] * STRETCHES)[index] = ns / total if total else 0.0
    return dict(sorted(parts.items(), key=lambda item: -sum(item[1])))


def _ledgers(ledgers: pl.DataFrame) -> list[LedgerFigures]:
    told = []
    for model in FillModel:
        own = ledgers.filter(
            (pl.col("fill_model") == model.value) & pl.col("profit2_e4u6").is_not_null()
        )
        if not own.height:
            continue
        profit = (own["profit2_e4u6"] / _DOLLAR2_E4U6).to_numpy()
        shares = ((own["up_u6"] + own["down_u6"]) / SHARE_U6).to_numpy()
        told.append(
            LedgerFigures(
                fill_model=model.value,
                windows=own.height,
                shares=float(shares.sum()),
                paid=float(own["cost_e4u6"].sum()) / (PRICE_ONE_E4 * SHARE_U6),
                profit=float(profit.sum()),
                profit_a_window=_ratio(profit, np.ones(own.height)),
                cents_a_share=_ratio(100 * profit, shares),
            )
        )
    return told


def _equity(windows: pl.DataFrame, fills: pl.DataFrame) -> list[EquityPoint]:
    counts = dict(fills.group_by("slug").len().iter_rows())
    results, equity = [], 0.0
    for row in windows.iter_rows(named=True):
        twice = row["profit2_e4u6"]
        profit = None if twice is None else twice / _DOLLAR2_E4U6
        equity += profit or 0.0
        results.append(
            EquityPoint(
                slug=row["slug"],
                open_s=row["open_ns"] // NS_PER_S,
                settled=row["winner"] is not None,
                fills=counts.get(row["slug"], 0),
                profit=profit,
                equity=equity,
            )
        )
    return results
