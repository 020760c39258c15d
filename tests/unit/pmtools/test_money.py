"""A gain has a plus, a loss a minus, whatever the figure is called."""

from __future__ import annotations

import pytest

from pmtools.money import figure_text, profit_text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (1.25, "+$1.25"),
        (-0.2, "-$0.20"),
        (0.0, "$0.00"),
        (-0.00001, "$0.00"),
        (0.0035, "+$0.0035"),
        (-1234.5, "-$1234.50"),
    ],
)
def test_the_sign_is_in_front(dollars: float, text: str) -> None:
    assert profit_text(dollars) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("profit", 3, "+$3.00"),
        ("worst_case_profit", -0.2, "-$0.20"),
        ("portfolio_cost", 0.96, "$0.96"),
        ("max_pair_cost", 0.0, "no pair held"),
        ("net_diff", -5.0, "-5 shares"),
        ("max_abs_net_diff", 5.0, "5 shares"),
        ("fills", 7, None),
        ("profit", None, None),
        ("profit", True, None),
    ],
)
def test_a_figure_is_known_by_its_name(name: str, value: object, text: str | None) -> None:
    assert figure_text(name, value) == text
