from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.model import units
from pmcore.model.errors import MalformedInputError


@pytest.mark.parametrize(
    ("text", "price_e4"),
    [
        ("0.49", 4900),
        ("0.1", 1000),
        ("0", 0),
        ("1", 10_000),
        (".5", 5000),
        ("0.0001", 1),
        ("0.490", 4900),
    ],
)
def test_prices(text: str, price_e4: int) -> None:
    assert units.parse_price_e4(text) == price_e4


@pytest.mark.parametrize(
    "text",
    ["", ".", "-0.5", "1.0001", "0.00001", "0.5e1", "NaN", "0,5", "٠.٥", "0.4.9", " 0.5", "2"],
)
def test_bad_prices(text: str) -> None:
    with pytest.raises(MalformedInputError, match="bad_price"):
        units.parse_price_e4(text)


@pytest.mark.parametrize("text", ["-1", "", "1.0000001", "9" * 16, "9999999999999", "inf"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(MalformedInputError, match="bad_size"):
        units.parse_qty_u6(text)


@given(st.integers(0, 10_000))
def test_prices_survive_the_wire(price_e4: int) -> None:
    text = units.format_price(price_e4)
    assert units.parse_price_e4(text) == price_e4
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(
    ("amount_u6", "text", "profit"),
    [
        (-200_000, "-0.2", "-0.2"),
        (-1_000_000, "-1", "-1"),
        (-1, "-0.000001", "-0.000001"),
        (0, "0", "0"),
        (1_250_000, "1.25", "+1.25"),
    ],
)
def test_a_negative_amount_keeps_its_digits(amount_u6: int, text: str, profit: str) -> None:
    assert units.format_qty(amount_u6) == text
    assert units.format_profit(amount_u6) == profit


@given(st.integers(0, 10**15))
def test_sizes_survive_the_wire(qty_u6: int) -> None:
    assert units.parse_qty_u6(units.format_qty(qty_u6)) == qty_u6


@given(st.integers(0, 10_000))
def test_the_complement_of_the_complement_is_the_price(price_e4: int) -> None:
    assert units.complement_e4(units.complement_e4(price_e4)) == price_e4


@given(st.integers(-20_000, 20_000), st.sampled_from([1, 10, 25, 50, 100, 1000]))
def test_floor_is_the_highest_grid_price_below(price_e4: int, tick_e4: int) -> None:
    floored = units.floor_to_tick_e4(price_e4, tick_e4)
    assert floored % tick_e4 == 0
    assert floored <= price_e4 < floored + tick_e4


def test_grid_and_value() -> None:
    assert units.is_on_grid(4900, 100)
    assert not units.is_on_grid(4950, 100)
    assert not units.is_on_grid(0, 100)
    assert not units.is_on_grid(10_000, 100)
    assert units.value_u6(4700, 5_000_000) == 2_350_000


@pytest.mark.parametrize(
    ("text", "price_e8"),
    [("71000.5", 7_100_050_000_000), ("0.00000001", 1), ("3", 300_000_000)],
)
def test_dollars_of_an_underlying(text: str, price_e8: int) -> None:
    assert units.parse_dollars_e8(text) == price_e8
    assert units.format_dollars_e8(price_e8) == text


@pytest.mark.parametrize("text", ["0", "-1", "0.000000001", "1e5", "99999999999"])
def test_what_is_no_price_of_an_underlying(text: str) -> None:
    with pytest.raises(MalformedInputError, match="bad_price"):
        units.parse_dollars_e8(text)
