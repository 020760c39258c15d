"""What each fill of a replay earned: rows for programs, sums for people.

See docs/modelling.md#attribution-and-markouts. A CSV file needs no package; whatever reads tables
reads it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pmcore.engine.strategy.marking import in_dollars, mean_markouts
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.attribution import FillResult, PnlParts, attribute, summed
from pmcore.machines.markouts import HORIZONS_S, MarkedFill
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmtools.errors import UsageError

FillRow = dict[str, str | float | int | bool | None]


class Attribution(msgspec.Struct, kw_only=True):
    """Of all windows of a replay: dollars by part, and cents a share at each horizon."""

    profit_parts: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    markout_cents: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)


class FillBook:
    """Collects the fills of one window after the other."""

    def __init__(self) -> None:
        self.rows: list[FillRow] = []
        self._results: list[FillResult] = []
        self._told = Attribution()

    def add(self, session: MarketSession, up_worth2_e4: int | None, *, settled: bool) -> None:
        """Add a finished window; without a worth its fills have markouts and no profit."""
        slug, fills = session.window.slug, session.markouts.fills
        results = [] if up_worth2_e4 is None else attribute(fills, up_worth2_e4)
        self._results += results
        by_id = {id(one.fill): one for one in results}
        winner_e4 = up_worth2_e4 if settled else None
        self.rows += [_row(slug, fill, by_id.get(id(fill)), winner_e4) for fill in fills]
        if results:
            self._told.profit_parts[slug] = in_dollars(summed(results))
            self._told.markout_cents[slug] = mean_markouts(fills)

    def summary(self) -> Attribution:
        """By window, and all of them together."""
        told = msgspec.structs.replace(self._told)
        if self._results:
            fills = [one.fill for one in self._results]
            told.profit_parts = {**told.profit_parts, "all": in_dollars(summed(self._results))}
            told.markout_cents = {**told.markout_cents, "all": mean_markouts(fills)}
            for name, hedge in (("first legs", False), ("hedges", True)):
                told.markout_cents[name] = mean_markouts(f for f in fills if f.hedge is hedge)
        return told


def write_csv(path: Path, rows: Sequence[FillRow]) -> None:
    """One line for each fill; an empty cell is a figure that is not known."""
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise UsageError(f"--fills {path}: {error.strerror}") from error


COLUMNS = (
    *("slug", "trade_id", "outcome", "leg", "failed", "at_ns", "since_open_s"),
    *("price_dollars", "shares", "rested_s", "toxic", "ofi_shares", "mid_dollars"),
    *(f"markout_{horizon_s}s_cents" for horizon_s in HORIZONS_S),
    "markout_settlement_cents",
    *("paired_shares", "pair_cost_dollars", "paired_after_s"),
    *(f"{part}_dollars" for part in in_dollars(PnlParts())),
)


def _row(slug: str, fill: MarkedFill, result: FillResult | None, winner2_e4: int | None) -> FillRow:
    row: FillRow = {
        "slug": slug,
        "trade_id": fill.trade_id,
        "outcome": fill.outcome.value,
        "leg": "hedge" if fill.hedge else "first",
        "failed": fill.failed,
        "at_ns": fill.at_ns,
        "since_open_s": fill.since_open_ns / NS_PER_S,
        "price_dollars": fill.price_e4 / PRICE_ONE_E4,
        "shares": fill.size_u6 / SHARE_U6,
        "rested_s": None if fill.rested_ns is None else fill.rested_ns / NS_PER_S,
        "toxic": fill.toxic,
        "ofi_shares": fill.ofi_score_u6 / SHARE_U6,
        "mid_dollars": None if fill.mid2_e4 is None else fill.mid2_e4 / 2 / PRICE_ONE_E4,
    }
    for horizon_s, markout2_e4 in zip(HORIZONS_S, fill.markouts2_e4, strict=True):
        cents = None if markout2_e4 is None else markout2_e4 / 200
        row[f"markout_{horizon_s}s_cents"] = cents
    if winner2_e4 is not None:
        up = fill.outcome is Outcome.UP
        worth2_e4 = winner2_e4 if up else 2 * PRICE_ONE_E4 - winner2_e4
        row["markout_settlement_cents"] = (worth2_e4 - 2 * fill.price_e4) / 200
    if result is None:
        return row
    row["paired_shares"] = result.paired_u6 / SHARE_U6
    if result.paired_u6:
        row["pair_cost_dollars"] = result.pair_cost_e4u6 / result.paired_u6 / PRICE_ONE_E4
        row["paired_after_s"] = result.paired_after_ns / NS_PER_S
    for part, dollars in in_dollars(result.parts).items():
        row[f"{part}_dollars"] = dollars
    return row
