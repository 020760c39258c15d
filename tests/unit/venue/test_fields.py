"""Untidy values, read strictly."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pmcore.model.errors import MalformedInputError
from pmcore.venue.fields import (
    as_list,
    as_object,
    decimal_text,
    decode_json,
    optional_price_e4,
    optional_text,
    qty_u6_of,
    text_of,
    tick_e4_of,
    time_ns_of,
)


@pytest.fixture(params=[1_000, 100_000])
def recursion_limit(request: pytest.FixtureRequest) -> Iterator[int]:
    """The interpreter's own limit, and the one that py_ecc sets when it is imported."""
    former = sys.getrecursionlimit()
    sys.setrecursionlimit(request.param)
    yield request.param
    sys.setrecursionlimit(former)


@pytest.mark.parametrize("opener", ["[", '{"a":', b"["])
def test_deep_nesting_is_bad_json_under_any_recursion_limit(
    recursion_limit: int, opener: str | bytes
) -> None:
    with pytest.raises(MalformedInputError, match="bad_json"):
        decode_json(opener * 100_000)
    assert sys.getrecursionlimit() == recursion_limit


def test_a_long_flat_list_is_fine_under_any_recursion_limit(recursion_limit: int) -> None:
    assert decode_json(json.dumps([[]] * 20_000)) == [[]] * 20_000
    assert sys.getrecursionlimit() == recursion_limit


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ("1725842520990", 1_725_842_520_990_000_000),
        (1_725_842_520_990, 1_725_842_520_990_000_000),
        ("1725842520", 1_725_842_520_000_000_000),
        (1_725_842_520, 1_725_842_520_000_000_000),
        ("1725842520990123456", 1_725_842_520_990_123_456),
        ("2026-03-12T09:25:00Z", 1_773_307_500_000_000_000),
        ("2026-03-12 09:25:00+00", 1_773_307_500_000_000_000),
        ("2026-03-12T09:25:00.000001", 1_773_307_500_000_001_000),
    ],
)
def test_times(value: Any, ns: int) -> None:
    assert time_ns_of(value) == ns


@pytest.mark.parametrize(
    "value", ["", "soon", "0", 0, -5, 1.5, None, True, [], "9" * 30, "٣٣٣٣٣٣٣٣٣٣", "-0001-01-01"]
)
def test_bad_times(value: Any) -> None:
    with pytest.raises(MalformedInputError, match="bad_timestamp"):
        time_ns_of(value)


@pytest.mark.parametrize(
    ("value", "text"), [("0.5", "0.5"), (5, "5"), (0.001, "0.001"), (1e-05, "0.00001")]
)
def test_decimals(value: Any, text: str) -> None:
    assert decimal_text(value, "bad") == text


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_bad_decimals(value: Any) -> None:
    with pytest.raises(MalformedInputError, match="bad"):
        decimal_text(value, "bad")


@pytest.mark.parametrize("value", ["0", "0.5", "0.03", "x", None, float("nan")])
def test_bad_ticks(value: Any) -> None:
    with pytest.raises(MalformedInputError, match="bad_tick"):
        tick_e4_of(value)


def test_missing_text() -> None:
    with pytest.raises(MalformedInputError, match="name missing"):
        text_of({"name": ""}, "name")


def test_optional_prices() -> None:
    assert [optional_price_e4(value) for value in ("0.5", "", None, "x")] == [
        5000,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("value", [None, "x", 1, True])
def test_shapes_are_not_guessed(value: object) -> None:
    with pytest.raises(MalformedInputError, match="no_frame"):
        as_object(value, "no_frame")
    with pytest.raises(MalformedInputError, match="bad_shape"):
        as_list(value)
    assert as_object({}) == {}
    assert as_list([value]) == [value]


def test_a_text_that_is_none_is_empty() -> None:
    assert [optional_text({"a": value}, "a") for value in ("x", None, 1)] == ["x", "", ""]
    assert optional_text({}, "a") == ""


def test_a_size_in_any_notation() -> None:
    assert [qty_u6_of(value) for value in ("1.5", 2, 0.25)] == [1_500_000, 2_000_000, 250_000]
