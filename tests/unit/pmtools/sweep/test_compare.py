from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmtools.sweep.compare import compare
from pmtools.sweep.windows import Row


def row(cell: str, slug: str, profit: float, shares: float, **changes: float) -> Row:
    fields: dict[str, Any] = {
        "paired": 0.0,
        "pair_cost": 0.0,
        "residual": 0.0,
        "both_rest_share": 0.0,
        "ledgers": {"pessimistic": profit - 1, "central": profit, "optimistic": profit + 2},
        **changes,
    }
    return Row(
        key=f"{cell} {slug}",
        cell=cell,
        slug=slug,
        profit=profit,
        settled=True,
        fills=1,
        shares=shares,
        orders=1,
        **fields,
    )


def test_means_differences_and_cents_are_those_of_the_windows() -> None:
    base, calm = compare(
        [
            row("base", "a", -2.0, 100, paired=40, pair_cost=0.99),
            row("base", "b", -1.0, 50),
            row("calm", "a", -0.5, 20, paired=5, pair_cost=0.97, both_rest_share=0.5),
            row("calm", "b", 0.2, 10, paired=5, pair_cost=0.99),
            row("calm", "only here", 99.0, 10),
        ]
    )
    assert (base.cell, base.windows, base.profit.value) == ("base", 2, -1.5)
    assert base.cents_a_share == pytest.approx(-2.0)
    assert (base.against_base.value, base.against_thinning.value) == (0, 0)
    assert (calm.cell, calm.windows, calm.shares) == ("calm", 2, 15)
    assert calm.profit.value == pytest.approx(-0.15)
    assert calm.against_base.value == pytest.approx(1.35)
    # a fifth of the base's shares, so a fifth of its loss of 1.50
    assert calm.against_thinning.value == pytest.approx(-0.15 + 1.5 / 5)
    assert {model: one.value for model, one in base.ledgers.items()} == {
        "pessimistic": -2.5,
        "central": -1.5,
        "optimistic": 0.5,
    }
    assert calm.ledgers["pessimistic"].value == pytest.approx(-1.15)
    assert calm.pair_cost == pytest.approx(0.98)
    assert (calm.paired_part, calm.both_rest_share) == (pytest.approx(20 / 30), 0.25)


def test_the_interval_is_the_resamples_of_whole_windows() -> None:
    (base,) = compare([row("base", str(n), float(n % 2), 10) for n in range(40)])
    assert base.profit.value == 0.5
    # a binomial of 40 draws: the standard deviation of the mean is 0.079
    assert base.profit.low == pytest.approx(0.5 - 1.96 * 0.079, abs=0.03)
    assert base.profit.high == pytest.approx(0.5 + 1.96 * 0.079, abs=0.03)


def test_cells_that_never_traded_have_figures_too() -> None:
    base, idle = compare([row("base", "a", 0.0, 0), row("idle", "a", 0.0, 0)])
    assert (base.median_at_5s, base.cents_at_5s.value) == (0, 0)
    assert (base.cents_a_share, idle.against_thinning.value, idle.paired_part) == (0, 0, 0)


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_cell_that_is_the_base_thinned_is_no_better_than_thinning(
    windows: list[tuple[float, int]],
) -> None:
    rows = [row("base", str(n), profit, 4 * size) for n, (profit, size) in enumerate(windows)]
    rows += [row("less", str(n), profit / 4, size) for n, (profit, size) in enumerate(windows)]
    less = next(one for one in compare(rows) if one.cell == "less")
    for value in (less.against_thinning.low, less.against_thinning.high):
        assert value == pytest.approx(0, abs=1e-9)


def test_markouts_at_5_s_are_means_over_shares_and_the_median_of_the_fills() -> None:
    rows = [
        replace(row("base", "a", 0.0, 6), markouts_5s=((-1.0, 5.0), (2.0, 1.0))),
        replace(row("base", "b", 0.0, 4), markouts_5s=((-2.0, 4.0),)),
    ]
    (base,) = compare(rows)
    assert base.cents_at_5s.value == pytest.approx((-5 + 2 - 8) / 10)
    assert base.cents_at_5s.low == -2
    assert base.cents_at_5s.high == pytest.approx(-3 / 6)
    assert base.median_at_5s == -1
