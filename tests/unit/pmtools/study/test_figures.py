"""The curves and intervals of a report, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pmtools.study.figures import ReportFigures, figures_of
from pmtools.study.schema import TABLES, ColumnKind
from pmtools.study.tables import Tables

S = 1_000_000_000
FIVE = 5_000_000


def figures(fills: list[dict[str, Any]], windows: int = 1, **tables: Any) -> ReportFigures:
    rows: dict[str, list[dict[str, Any]]] = {
        "windows": [
            {"slug": f"w{n}", "day": "2026-11-27", "series": "btc-5m", "settings": "{}"}
            | {
                "quoting_ns": 0,
                "both_rest_ns": 0,
                "orders": 0,
                "open_ns": 0,
                "close_ns": 300 * S,
                "up_u6": 0,
                "down_u6": 0,
                "kind": "recording",
            }
            for n in range(windows)
        ],
        "fills": [{"slug": "w0", "failed": False, "size_u6": FIVE, **fill} for fill in fills],
        **tables,
    }
    kinds = {
        ColumnKind.TEXT: pl.String,
        ColumnKind.INTEGER: pl.Int64,
        ColumnKind.FLAG: pl.Boolean,
    }
    frames = {
        name: pl.DataFrame(
            rows.get(name, []),
            schema={one.name: kinds[one.kind] for one in columns}
            | {"day": pl.String, "series": pl.String},
        )
        for name, columns in TABLES.items()
    }
    return figures_of(Tables(**frames))


def leg(at_s: int, paired_after_s: int | None) -> dict[str, Any]:
    paired = paired_after_s is not None
    return {
        "hedge": False,
        "at_ns": at_s * S,
        "paired_u6": FIVE if paired else 0,
        "pair_cost_e4u6": 9_800 * FIVE if paired else 0,
        "paired_after_ns": paired_after_s * S if paired_after_s is not None else None,
    }


def test_a_leg_that_is_never_paired_is_seen_until_the_close() -> None:
    """Four at risk at 1 s; one is lost from sight at 20 s; two are left at 60 s."""
    told = figures([leg(0, 1), leg(280, None), leg(0, 60), leg(0, None)])
    assert told.unpaired_after == [(0.0, 1.0), (1.0, 0.75), (60.0, 0.375)]
    assert told.paired_share is not None
    assert told.paired_share.value == 0.5
    assert told.pair_cost == pytest.approx(0.98)


def test_markouts_are_weighted_by_shares_and_the_median_is_not() -> None:
    fills: list[dict[str, Any]] = [
        {"hedge": False, "markout_30s_2_e4": 200, "size_u6": 3 * FIVE},
        {"hedge": True, "markout_30s_2_e4": -200},
        {"hedge": True, "markout_30s_2_e4": -600},
        {"hedge": True, "markout_30s_2_e4": None},
        {"hedge": True, "markout_30s_2_e4": -9_000, "failed": True},
    ]
    told = figures(fills)
    points = {one.legs: one for one in told.markouts}
    assert points["all"].cents.value == pytest.approx((3 * 1 - 1 - 3) / 5)
    assert (points["all"].fills, points["hedges"].fills) == (3, 2)
    assert told.median_markout_30s_cents is not None
    assert told.median_markout_30s_cents.value == -1.0
    assert told.failed == 1


def test_fills_of_one_window_are_resampled_together() -> None:
    """A hundred equal fills a window say no more than one."""
    one_each: list[dict[str, Any]] = [
        {"hedge": False, "slug": f"w{n}", "markout_1s_2_e4": 200 * (-1) ** n} for n in range(10)
    ]
    few, many = figures(one_each, windows=10), figures(one_each * 100, windows=10)
    assert few.markouts[0].cents == many.markouts[0].cents
    assert few.markouts[0].cents.low is not None
    assert few.markouts[0].cents.low < -0.4


def test_reasons_are_parts_of_the_time_in_each_stretch() -> None:
    row = {"slug": "w0", "outcome": "up"}
    told = figures(
        [],
        intervals=[
            {**row, "from_ns": 0, "until_ns": 150 * S, "obstacle": "none"},
            {**row, "from_ns": 150 * S, "until_ns": 155 * S, "obstacle": "toxic"},
            {**row, "from_ns": 155 * S, "until_ns": 165 * S, "obstacle": "limit"},
        ],
    )
    assert told.reasons["none"] == [1.0] * 10 + [0.0] * 10
    assert told.reasons["toxic"][10] == pytest.approx(1 / 3)
    assert told.reasons["limit"][10] == pytest.approx(2 / 3)
    assert told.unpaired_after == []
